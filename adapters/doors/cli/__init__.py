"""The command line."""

from __future__ import annotations

import gc

from engine.collection import collect_seldom

INTERRUPTED = 130  # as a shell reports a process that Ctrl-C ended


def main() -> None:
    """Entry point of the console script ``dagfusion``."""
    collect_seldom()
    try:
        from adapters.doors.cli.app import app

        app()
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    finally:
        gc.freeze()  # else the collector looks through all modules once more at the exit
