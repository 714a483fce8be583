"""What jobs made goes with them wherever it is, and what they only showed stays."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, String, false

revision = "6"
down_revision = "5"


def upgrade() -> None:
    """Of jobs that there are, every file that they showed counts as theirs."""
    op.add_column("outputs", Column("found", Boolean, nullable=False, server_default=false()))
    op.create_table(
        "leftovers",
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("job_id", String(64), nullable=False),
        Column("space", String(64), nullable=False, server_default=""),
        Column("folder", String(12), nullable=False),
        Column("subfolder", String(500), nullable=False, server_default=""),
        Column("filename", String(300), nullable=False, server_default=""),
        Column("digest", String(64), nullable=False),
        Column("ended_at", Double, nullable=False),
        Column("forgotten_at", Double),
    )
    op.create_index("leftovers_job", "leftovers", ["job_id"])
    op.create_index("leftovers_forgotten", "leftovers", ["forgotten_at", "id"])
