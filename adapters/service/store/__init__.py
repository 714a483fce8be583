"""The durable queue and everything else that outlives a process: jobs, events, outputs, webhooks, keys, workers."""

from __future__ import annotations

from adapters.service.store.changes import Changes
from adapters.service.store.database import Database
from adapters.service.store.events import Events
from adapters.service.store.jobs import Jobs
from adapters.service.store.keys import ApiKeys
from adapters.service.store.leases import Leases
from adapters.service.store.leftovers import Leftovers
from adapters.service.store.outbox import Outbox
from adapters.service.store.previews import Previews
from adapters.service.store.workers import Workers


class Store:
    """One database, by subject. Thread-safe. Raises ``StoreUnavailable`` where it cannot be opened."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.jobs = Jobs(self.database)
        self.leases = Leases(self.database)
        self.leftovers = Leftovers(self.database)
        self.events = Events(self.database)
        self.outbox = Outbox(self.database)
        self.previews = Previews(self.database)
        self.keys = ApiKeys(self.database)
        self.workers = Workers(self.database)
        self.changes = Changes(self.database)

    def close(self) -> None:
        """Close all connections and stop waiting."""
        self.changes.close()
        self.database.close()
