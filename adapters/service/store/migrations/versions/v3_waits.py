"""Messages say for how long they wait: one that began to wait later than now was put off by another clock."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Double

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """Add the length of the wait; messages that wait now have none, and are sent when they say."""
    op.add_column("deliveries", Column("wait_s", Double))
