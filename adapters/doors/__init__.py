"""The doors, a folder each. None imports another; who hosts the HTTP application takes it from ``http.hosting``."""
