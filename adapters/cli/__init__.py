"""The command line."""

from __future__ import annotations


def main() -> None:
    """Entry point of the console script ``dagfusion``."""
    from adapters.cli.app import app

    app()
