"""What was measured, as it is kept: one JSON line a quantity, with the machine and the versions it holds for."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, computed_field

from engine.errors import DagfusionError

Value = bool | int | float | str


class Machine(BaseModel):
    """What the figures depend on, without anything that says whose machine it is. Memory in GiB."""

    model_config = ConfigDict(frozen=True)

    cpu: str
    cores: int = Field(ge=1)
    ram_gib: float = Field(gt=0)
    gpu: str | None = None
    gpu_gib: float | None = None


class Record(BaseModel):
    """One measured quantity.

    ``subject``: what was measured (dagfusion, diffusers, comfyui). ``bound``: what is promised of the median.
    ``label``: what the user calls the run ("before", "after"). ``date``: when it was measured, in UTC.
    """

    model_config = ConfigDict(frozen=True)

    case: str
    subject: str = "dagfusion"
    metric: str
    parameters: dict[str, Value] = Field(default_factory=dict)
    unit: str
    better: Literal["lower", "higher"] = "lower"
    samples: Annotated[list[float], Field(min_length=1)]
    bound: float | None = None
    label: str = ""
    dtype: str = ""
    kernel: str = ""
    device: str = "cpu"
    machine: Machine
    commit: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    date: datetime

    @computed_field  # type: ignore[prop-decorator]
    @property
    def median(self) -> float:
        """The samples' median."""
        return statistics.median(self.samples)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def spread(self) -> float:
        """Half of the samples' interquartile range; of fewer than four, half of their whole range."""
        if len(self.samples) < 4:
            return (max(self.samples) - min(self.samples)) / 2
        first, _, third = statistics.quantiles(self.samples, method="inclusive")
        return (third - first) / 2

    @property
    def kept(self) -> bool | None:
        """Whether the bound is met; None where there is none."""
        if self.bound is None:
            return None
        return self.median <= self.bound if self.better == "lower" else self.median >= self.bound


def append_records(records: Iterable[Record], path: Path) -> None:
    """Add a JSON line for each to the file, which is made where it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(record.model_dump_json() + "\n" for record in records)


def read_records(path: Path) -> list[Record]:
    """The records of a file. Raises ``DagfusionError`` where it cannot be read or a line is no record."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DagfusionError(f"'{path}' cannot be read: {error}") from error
    records = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            records.append(Record.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the line"
            message = f"'{path}', line {number} is no record: {where}: {first['msg']}"
            raise DagfusionError(message, remedy="files are written by `dagfusion bench CASE --json FILE`") from error
    return records
