"""Jobs say what they need that not every worker has, so that only those that have it claim them."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, Column, String

revision = "5"
down_revision = "4"


def upgrade() -> None:
    """Jobs that wait say of nothing that they need it, and go to whichever worker is free, as they did."""
    op.add_column("jobs", Column("needs", JSON))
    op.add_column("jobs", Column("needs_digest", String(64), nullable=False, server_default=""))
    op.drop_index("jobs_waiting", "jobs")
    op.create_index("jobs_waiting", "jobs", ["state", "owner", "priority", "rank", "sequence", "needs_digest"])
    op.drop_index("jobs_flows", "jobs")
    op.create_index("jobs_flows", "jobs", ["state", "owner", "priority", "created_at", "needs_digest"])
