"""The page that ``dagfusion bench --against URL`` prints: two servers side by side, for people who decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.record import Machine, Record

# What, its metric, its unit on the page.
_ROWS = (
    ("pictures a minute, one by one", "pictures", ""),
    ("the same workflow again, which changes nothing", "again", " s"),
    ("first picture after models were let go", "first picture", " s"),
    ("from the start of the process until it is ready", "start", " s"),
    ("from the start of the process to its first picture", "start to picture", " s"),
    ("memory of its processes after the pictures", "memory", " MiB"),
    ("memory of the GPU that torch holds", "GPU memory", " MiB"),
)
_NOT_MEASURED = {
    "start": "not measured: it was running",
    "start to picture": "not measured: it was running",
    "memory": "not measured: it runs elsewhere",
}


def page(records: Sequence[Record]) -> str:
    """Markdown. ``records``: those of the case ``beside``, at one point."""
    found = {(record.metric, record.subject): record for record in records}
    first = records[0]
    what = first.parameters
    return "\n".join(
        [
            f"# dagfusion beside {what['against']}",
            "",
            f"{what['checkpoint']}, {what['size_px']} x {what['size_px']} px, {what['steps']} steps of euler,"
            f" {what['precision']} precision here. {_machine(first.machine)}, on {first.date:%Y-%m-%d}.",
            "",
            f"| | dagfusion {first.versions.get('dagfusion', '')} | {what['against']} | ratio |",
            "|---|---|---|---|",
            *_table(found),
            "",
            *_notes(found),
            "",
        ]
    )


def _table(found: dict[tuple[str, str], Record]) -> Iterator[str]:
    for title, metric, unit in _ROWS:
        ours, theirs = found.get((metric, "dagfusion")), found.get((metric, "comfyui"))
        if ours is None and theirs is None:
            continue
        cells = [_cell(one, unit) or _NOT_MEASURED.get(metric, "-") for one in (ours, theirs)]
        yield f"| {title} | {cells[0]} | {cells[1]} | {_compared(ours, theirs)} |"


def _cell(record: Record | None, unit: str) -> str:
    if record is None:
        return ""
    spread = f" ± {_number(record.spread)}" if len(record.samples) > 1 else ""
    return f"{_number(record.median)}{spread}{unit}"


def _compared(ours: Record | None, theirs: Record | None) -> str:
    if ours is None or theirs is None or not theirs.median:
        return ""
    return f"{ours.median / theirs.median:.2f}"


def _notes(found: dict[tuple[str, str], Record]) -> Iterator[str]:
    rounds = len(found["pictures", "dagfusion"].samples)
    yield (
        f"Both servers got the same workflows over ComfyUI's API, in turns, {rounds} rounds after one that warmed up. A"
        " figure is the median ± half of the interquartile range. Seeds were new, so that no picture was in a cache but"
        " where the row says so."
    )
    if (difference := found.get(("difference", "dagfusion"))) is not None:
        yield f"The pictures of one seed differ by {_number(difference.median)} of 255 levels on average."


def _machine(machine: Machine) -> str:
    gpu = f"{machine.gpu} ({machine.gpu_gib} GiB)" if machine.gpu else "no GPU"
    return f"{machine.cores} cores of {machine.cpu}, {machine.ram_gib} GiB, {gpu}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
