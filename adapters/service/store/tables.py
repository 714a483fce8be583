"""The tables of the queue and its store, for SQLite and PostgreSQL alike. Times are Unix seconds."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

# A change of the tables is a new version, with a file in migrations/versions.
SCHEMA_VERSION = 6

metadata = MetaData()
# SQLite counts up by itself only in a primary key of type INTEGER.
_Serial = BigInteger().with_variant(Integer, "sqlite")

# One row a name: the schema's version, the positions of events so far, and the turns that the queue gave.
counters = Table(
    "counters",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# What clients submitted. `sequence` is the order of arrival, `rank` the order in the queue among equal priorities
# (smaller first). `lease_owner` and `attempts` together are the fence: who holds another pair may not write. A lease
# expires by the steady clock of `store.database`. `needs` is what not every worker has (`adapters.service.needs`), told
# apart by its digest; empty for nothing.
jobs = Table(
    "jobs",
    metadata,
    Column("sequence", _Serial, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("state", String(12), nullable=False),
    Column("source", String(12), nullable=False),
    Column("owner", String(64), nullable=False, server_default=""),
    Column("client_id", String(200)),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("rank", Double, nullable=False, server_default="0"),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("max_attempts", Integer, nullable=False),
    Column("time_limit_s", Double, nullable=False),
    Column("lease_owner", String(64)),
    Column("lease_expires_at", Double),
    Column("lease_s", Double),
    Column("cancel_requested", Boolean, nullable=False, default=False),
    Column("hidden", Boolean, nullable=False, default=False),
    Column("idempotency_key", String(200)),
    Column("content_hash", String(64), nullable=False),
    Column("request", JSON, nullable=False),
    Column("needs", JSON),
    Column("needs_digest", String(64), nullable=False, server_default=""),
    Column("webhook", JSON),
    Column("progress", JSON),
    Column("error", JSON),
    Column("last_event", Integer, nullable=False, server_default="0"),
    UniqueConstraint("owner", "idempotency_key", name="jobs_idempotency"),
    Index("jobs_waiting", "state", "owner", "priority", "rank", "sequence", "needs_digest"),
    Index("jobs_flows", "state", "owner", "priority", "created_at", "needs_digest"),
    Index("jobs_by_owner", "owner", "sequence"),
    Index("jobs_finished", "finished_at"),
)

# What happened to each job: `number` counts within it, `position` over all jobs, both without gaps.
events = Table(
    "events",
    metadata,
    Column("position", _Serial, primary_key=True, autoincrement=False),
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("time", Double, nullable=False),
    Column("kind", String(24), nullable=False),
    Column("data", JSON, nullable=False),
    UniqueConstraint("job_id", "number", name="events_number"),
)

# What output nodes made, in order. Files are blobs (`digest`); texts and the like are in `data`. `found`: a file that
# was in its folder before the job, which only showed it.
outputs = Table(
    "outputs",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("name", String(300), nullable=False),
    Column("node_id", String(200), nullable=False),
    Column("class_type", String(200), nullable=False),
    Column("kind", String(60), nullable=False),
    Column("cached", Boolean, nullable=False),
    Column("media_type", String(100)),
    Column("size_bytes", BigInteger),
    Column("digest", String(64)),
    Column("folder", String(12)),
    Column("subfolder", String(500)),
    Column("filename", String(300)),
    Column("data", JSON),
    Column("found", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("job_id", "name", name="outputs_name"),
    Index("outputs_digest", "digest"),
    Index("outputs_file", "folder", "subfolder", "filename"),
)

# Files that came with a job and that its nodes read.
inputs = Table(
    "inputs",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(300), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("stored_name", String(200), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Index("inputs_digest", "digest"),
)

# What is to go with a job, or went with it: the files that are its own, by the `folder` that they are in, and blobs,
# whose `folder` is empty. `forgotten_at`: when the job was; while it is there, those of jobs without outputs.
leftovers = Table(
    "leftovers",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("job_id", String(64), nullable=False),
    Column("space", String(64), nullable=False, server_default=""),
    Column("folder", String(12), nullable=False),
    Column("subfolder", String(500), nullable=False, server_default=""),
    Column("filename", String(300), nullable=False, server_default=""),
    Column("digest", String(64), nullable=False),
    Column("ended_at", Double, nullable=False),
    Column("forgotten_at", Double),
    Index("leftovers_job", "job_id"),
    Index("leftovers_forgotten", "forgotten_at", "id"),
)

# The newest unfinished picture of a running job. `version` grows with each one.
previews = Table(
    "previews",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("node_id", String(200), nullable=False),
    Column("media_type", String(40), nullable=False),
    Column("picture", LargeBinary, nullable=False),
)

# Webhook messages that are to be sent, and what became of them. One for each event that was asked for. `wait_s`: how
# long before `next_at` that was said.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("event_number", Integer, nullable=False),
    Column("event", String(24), nullable=False),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", Double, nullable=False),
    Column("wait_s", Double),
    Column("created_at", Double, nullable=False),
    Column("finished_at", Double),
    Column("last_status", Integer),
    Column("last_error", Text),
    UniqueConstraint("job_id", "event_number", name="deliveries_event"),
    Index("deliveries_due", "state", "next_at"),
)

# When a job of an owner and a priority was started last, and in which turn of all.
turns = Table(
    "turns",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("priority", Integer, primary_key=True, autoincrement=False),
    Column("served_at", Double, nullable=False),
    Column("turn", BigInteger, nullable=False),
)

# Who may use the service. Only a hash of each key is kept. What it does not say of its use is the service's to say.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("rate_limit", String(60)),
    Column("max_priority", Integer),
    Column("max_queued", Integer),
    Column("max_running", Integer),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
)

# Worker processes, alive as long as their heartbeat is fresh, by the steady clock of `store.database`.
workers = Table(
    "workers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("host", String(200), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    Column("started_at", Double, nullable=False),
    Column("heartbeat_at", Double, nullable=False),
    Column("info", JSON, nullable=False),
)
