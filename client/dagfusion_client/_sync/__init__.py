"""What waits, without asyncio: generated from ``_async`` by ``python -m client.generate_sync``."""
