"""The command line."""

from __future__ import annotations

import gc

INTERRUPTED = 130  # as a shell reports a process that Ctrl-C ended


def main() -> None:
    """Entry point of the console script ``dagfusion``."""
    # A short process that imports thousands of modules. The collector looks through all that they hold time and again
    # while it grows, and once more at the exit: together some seconds of every run.
    gc.set_threshold(100_000, 20, 50)
    try:
        from adapters.cli.app import app

        app()
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    finally:
        gc.freeze()
