"""``python -m adapters.doors.cli``: the same as the console script."""

from __future__ import annotations

from adapters.doors.cli import main

if __name__ == "__main__":
    main()
