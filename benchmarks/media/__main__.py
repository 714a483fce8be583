"""``python -m benchmarks.media``; see :mod:`benchmarks.media.runner`."""

from __future__ import annotations

import sys

from benchmarks.media.runner import main

if __name__ == "__main__":
    sys.exit(main())
