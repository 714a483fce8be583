"""A file a version, in order: ``revision`` is its number, ``down_revision`` the one before. There is no way down."""
