"""The documents' tables of figures, made from committed records and put between two marks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks import registry
from benchmarks.compare import key
from benchmarks.record import Machine, Record, read_records
from benchmarks.show import number
from engine.errors import DagfusionError

RESULTS = Path(__file__).parent / "results"
START, END = "<!-- bench:start -->", "<!-- bench:end -->"
# What the first page shows: case, metric and the parameters that choose a row; the rest is in docs/benchmarks.md.
HEADLINES: tuple[tuple[str, str, Mapping[str, object]], ...] = (
    ("image", "ratio", {"size_px": 256, "precision": "float32"}),
    ("image", "ratio", {"size_px": 256, "precision": "auto"}),
    ("service", "health", {}),
    ("service", "overhead", {}),
    ("overhead", "ratio", {"run": "fresh"}),
)
_HEAD = ("| what | figure | command |", "|---|---|---|")


def committed() -> list[Path]:
    """The files of records that the project keeps."""
    return sorted(RESULTS.glob("*.jsonl"))


def section(files: Iterable[Path], *, headlines: bool = False) -> str:
    """Markdown: a table a machine, a row for each quantity that its case has a sentence for, in the cases' order.

    ``headlines``: only the rows of :data:`HEADLINES`.
    """
    by_machine: dict[Machine, list[Record]] = defaultdict(list)
    for path in files:
        for record in read_records(path):
            if not headlines or _is_headline(record):
                by_machine[record.machine].append(record)
    return "\n\n".join(_table(machine, records) for machine, records in by_machine.items())


def insert(text: str, made: str) -> str:
    """``text`` with ``made`` between the marks. Raises ``DagfusionError`` where they are not there, in order, once."""
    if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
        raise DagfusionError(f"the file has no place for the table: a line {START}, and after it a line {END}")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{made}\n{END}{after}"


def _is_headline(record: Record) -> bool:
    return any(
        (record.case, record.metric) == (case, metric) and chosen.items() <= record.parameters.items()
        for case, metric, chosen in HEADLINES
    )


def _table(machine: Machine, records: Sequence[Record]) -> str:
    gpu = f", {machine.gpu} ({machine.gpu_gib:.0f} GiB)" if machine.gpu and machine.gpu_gib else ", no GPU"
    newest = max(records, key=lambda record: record.date)
    libraries = " ".join(
        f"{name} {newest.versions[name]}" for name in ("torch", "diffusers") if name in newest.versions
    )
    cores = f"{machine.cores} core{'s' if machine.cores != 1 else ''}"
    head = f"Measured on {cores} of {machine.cpu}, {machine.ram_gib:.0f} GiB{gpu}; {libraries}; {newest.date:%Y-%m-%d}."
    rows = [row for name in registry.names() for row in _rows(name, [r for r in records if r.case == name])]
    return "\n".join([head, "", *_HEAD, *rows])


def _rows(case: str, records: Sequence[Record]) -> list[str]:
    told = registry.find(case).told if records else {}
    groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        if record.metric in told:
            groups[key(record)].append(record)
    command = f"`dagfusion bench {case}`"
    rows = []
    for group in groups.values():
        rows.append(f"| {_sentence(told[group[0].metric], group[0])} | {_figures(group)} | {command} |")
        command = ""
    return rows


def _sentence(template: str, record: Record) -> str:
    named = {**record.parameters, "dtype": record.dtype, "kernel": record.kernel, "device": record.device}
    try:
        text = template.format_map(named)
    except KeyError as error:
        raise DagfusionError(f"a record of '{record.case}' has no parameter {error}: '{template}' needs it") from error
    return text if record.subject == "dagfusion" else f"{text} ({record.subject})"


def _figures(group: Sequence[Record]) -> str:
    """The last run's figure; where runs have labels, each label's last one, in order."""
    labelled = {record.label: record for record in group}
    if len(labelled) == 1:
        return _figure(group[-1])
    return ", ".join(f"{label or 'now'} {_figure(record)}" for label, record in labelled.items())


def _figure(record: Record) -> str:
    unit = "" if record.unit == "x" else record.unit
    text = number(record.median)
    if len(record.samples) > 1 and record.spread > 0.01 * abs(record.median):
        text += f" ± {number(record.spread)}"
    text = f"{text} {unit}".strip()
    if record.bound is None:
        return text
    least = "most" if record.better == "lower" else "least"
    return f"{text} ({'promised' if record.kept else 'wanted'}: at {least} {number(record.bound)})"
