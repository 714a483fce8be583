"""What a job is and where it is kept: store, blobs, intake, webhooks, preparing, errors."""
