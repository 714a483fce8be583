"""Times in the native API's notation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator

# A time that a request names; without a zone it is UTC, whatever zone the server is in.
Moment = Annotated[datetime, AfterValidator(lambda told: told if told.tzinfo else told.replace(tzinfo=UTC))]


def moment(unix_s: float) -> datetime:
    """A time of the store, in UTC."""
    return datetime.fromtimestamp(unix_s, UTC)


def moment_or_none(unix_s: float | None) -> datetime | None:
    """The same for a time that may not have come yet."""
    return None if unix_s is None else moment(unix_s)
