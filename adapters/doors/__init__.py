"""The doors: HTTP, the command line, RunPod, Modal, Ray. None imports another but for what serves HTTP."""
