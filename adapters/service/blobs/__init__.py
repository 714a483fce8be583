"""Content-addressed blobs (inputs and outputs of jobs) in a local folder or at any fsspec URL."""
