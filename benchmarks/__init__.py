"""Speed and memory, measured: the cases of ``dagfusion bench``, and what reads their records."""
