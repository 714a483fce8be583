"""How a database of an earlier version becomes one of this: alembic's environment, and a file a version."""
