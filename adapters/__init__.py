"""The doors: how workflows get in and pictures get out."""
