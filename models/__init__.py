"""Models that come with dagfusion, and the programs that make them."""
