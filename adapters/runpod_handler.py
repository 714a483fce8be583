"""``python -m adapters.runpod_handler``: the name by which RunPod's images start ``adapters/doors/runpod``."""

from adapters.doors.runpod.handler import main

if __name__ == "__main__":
    main()
