"""What waits, for asyncio. ``_sync`` is generated from it by ``python -m client.generate_sync``."""
