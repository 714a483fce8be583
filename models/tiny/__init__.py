"""The tiny model family: its networks, its training data, its trainers, its scorer and its files."""
