"""Mutated workflows for /v1/check and /prompt: no 5xx, no hang, no growth of memory.

``python -m benchmarks.mutate [--count 100000] [--seed N] [--url URL]`` starts a service without workers and sends it
workflows; with ``--url`` it sends them to one that runs, so that a long run can be cut into pieces.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

GRAPHS = Path(__file__).parent.parent / "graphs"
_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1e308, 2**63, 2**64, -(2**70), 0.1, "", "\0", "\ud7ff", "../../etc/passwd"),
    *("x" * 5000, [], {}, [[]], ["1", 0], ["1", 10**9], ["1", -1], ["1", "0"], ["nothing", 0], [1, 0], [None, 0]),
    *(
        {"__value__": ["1", 0]},
        {"__value__": {}},
        "KSampler",
        "%date:yyyy%%batch_num%",
        "NaN",
        "data:image/png;base64,",
    ),
)


def workflows() -> list[dict[str, Any]]:
    """The example graphs."""
    return [json.loads(path.read_text()) for path in sorted(GRAPHS.glob("*.json"))]


def mutate(document: Any, rng: random.Random, changes: int) -> Any:
    """A copy with that many changes at places taken at random: removed, replaced, repeated, renamed, exchanged."""
    changed = copy.deepcopy(document)
    for _ in range(changes):
        places = list(_places(changed))
        if not places:
            return changed
        holder, key = rng.choice(places)
        other_holder, other_key = rng.choice(places)
        match rng.randrange(6):
            case 0:
                del holder[key]
            case 1 | 2:
                holder[key] = copy.deepcopy(rng.choice(_ODD))
            case 3:
                holder[key] = copy.deepcopy(other_holder[other_key])
            case 4 if isinstance(holder, dict):
                holder[str(rng.choice(_ODD))[:50]] = holder.pop(key)
            case _ if isinstance(holder, list):
                holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(rng.choice(_ODD)))
            case _:
                holder[key] = [holder[key]]
    return changed


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            yield holder, key
            waiting.append(holder[key])


def mutated() -> SearchStrategy[Any]:
    """Example graphs with a few changes."""
    from hypothesis import strategies as st

    return st.builds(
        lambda graph, seed, changes: mutate(graph, random.Random(seed), changes),
        st.sampled_from(workflows()),
        st.integers(0, 2**32),
        st.integers(1, 8),
    )


def bodies() -> SearchStrategy[bytes]:
    """Request bodies: mutated requests with all their fields, some cut off."""
    from hypothesis import strategies as st

    request = {
        "workflow": workflows()[0],
        "prompt": workflows()[0],
        "files": {"a.png": "aGk="},
        "overrides": {"1.x": 1},
        "targets": ["1"],
    }
    return st.builds(
        lambda seed, changes, cut: _encoded(mutate(request, random.Random(seed), changes), cut),
        st.integers(0, 2**32),
        st.integers(1, 8),
        st.one_of(st.none(), st.integers(0, 500)),
    )


def _encoded(document: Any, cut: int | None) -> bytes:
    return json.dumps(document).encode()[:cut]


def main() -> None:
    """Send them, and print what was answered, the slowest answer and the memory of the web process at the quarters."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--url")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    if options.url:
        sys.exit(1 if _send(options.url, options.count, rng) else 0)
    from benchmarks.service import running

    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), ready=False, workers="0", queue_limit="1000000") as service,
    ):
        failures = _send(service.url, options.count, rng)
    sys.exit(1 if failures else 0)


def _send(url: str, count: int, rng: random.Random) -> int:
    import httpx

    graphs, answers, slowest_s, failures = workflows(), Counter[tuple[str, int]](), 0.0, 0
    with httpx.Client(base_url=url, timeout=60) as client:
        for number in range(count):
            path = ("/v1/check", "/prompt")[number % 2]
            name = "workflow" if path == "/v1/check" else "prompt"
            document = mutate(rng.choice(graphs), rng, rng.randint(1, 8))
            started = time.perf_counter()
            reply = client.post(
                path, content=json.dumps({name: document}), headers={"Content-Type": "application/json"}
            )
            slowest_s = max(slowest_s, time.perf_counter() - started)
            answers[path, reply.status_code] += 1
            if reply.status_code >= 500:
                failures += 1
                print(json.dumps({"path": path, "status": reply.status_code, "document": document}))
            if (number + 1) % max(1, count // 4) == 0:
                memory = client.get("/memory-info").json()["ram"]["web_process_bytes"]
                print(f"{number + 1:>8} sent, web process {memory / 2**20:.0f} MiB", flush=True)
    for (path, status), times in sorted(answers.items()):
        print(f"{path:<10} {status} {times:>8}")
    print(f"slowest answer {slowest_s * 1000:.0f} ms")
    return failures


if __name__ == "__main__":
    main()
