"""Leases say for how long they are: one that ends later than that was given by a clock that was put back since."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Double

revision = "2"
down_revision = "1"


def upgrade() -> None:
    """Add the length of the lease to jobs; those that run have none, until their lease is renewed."""
    op.add_column("jobs", Column("lease_s", Double))
