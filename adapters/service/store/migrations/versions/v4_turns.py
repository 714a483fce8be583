"""Keys take turns: what a key may use is in its row, and whose turn it was in a table of its own."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Double, Integer, String, text

revision = "4"
down_revision = "3"


def upgrade() -> None:
    """Keys that are there may use what keys do by default; nobody had a turn yet."""
    for name in ("max_priority", "max_queued", "max_running"):
        op.add_column("api_keys", Column(name, Integer))
    op.create_table(
        "turns",
        Column("owner", String(64), primary_key=True),
        Column("priority", Integer, primary_key=True, autoincrement=False),
        Column("served_at", Double, nullable=False),
        Column("turn", BigInteger, nullable=False),
    )
    op.execute(text("INSERT INTO counters (name, value) VALUES ('turn', 0)"))
    op.drop_index("jobs_waiting", "jobs")
    op.create_index("jobs_waiting", "jobs", ["state", "owner", "priority", "rank", "sequence"])
    op.create_index("jobs_flows", "jobs", ["state", "owner", "priority", "created_at"])
