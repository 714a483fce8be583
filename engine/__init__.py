"""What a graph is and how it runs. No node and no door lives here."""
