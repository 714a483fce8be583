"""Checks ComfyUI's templates with all files taken for present, and lists what keeps them from running, most won first.

    python -m benchmarks.template_gaps FOLDER [--medium image] [--each]

``FOLDER`` holds the unpacked wheel ``comfyui-workflow-templates-json`` of PyPI. Templates that call hosted services are
left out, as their nodes are. A gap is a class that is not here, or an input of one that is with a problem.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from adapters.host.loading import load_folders
from adapters.host.settings import read_settings
from engine.document import read_workflow
from engine.errors import DagfusionError, Problem
from engine.folders import Folders
from engine.left_out import is_hosted
from engine.registry import Registry
from engine.validate import inspect
from nodes import builtin_registry

Gaps = Mapping[str, frozenset[str]]  # what is missing, by template


def gaps_of(path: Path, registry: Registry, folders: Folders) -> frozenset[str] | None:
    """What keeps one template from running, if anything; ``None`` where it calls hosted services."""
    try:
        workflow = read_workflow(path, registry)
    except DagfusionError as error:
        return frozenset({f"unreadable: {error}"})
    if any(is_hosted(node.class_type) for node in workflow.nodes.values()):
        return None
    return frozenset(_name(problem) for problem in inspect(workflow, registry, folders).problems)


def _name(problem: Problem) -> str:
    if problem.input is None:
        return problem.class_type or problem.code
    return f"{problem.class_type}.{problem.input} ({problem.code})"


def greedy(gaps: Gaps) -> Iterator[tuple[frozenset[str], list[str]]]:
    """What to add next, smallest effort for the most templates first, with the templates that then have no gap."""
    left = {name: found for name, found in gaps.items() if found}
    while left:
        won = {found: sum(other <= found for other in left.values()) for found in set(left.values())}
        best = max(won, key=lambda found: (won[found] / len(found), sorted(found)))
        yield best, [name for name, found in left.items() if found <= best]
        left = {name: found - best for name, found in left.items() if not found <= best}


def media(folder: Path) -> dict[str, list[str]]:
    """The templates' names by medium, as their own index has them."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for category in json.loads((folder / "index.json").read_text(encoding="utf-8")):
        for template in category["templates"]:
            found[category["type"]].append(template["name"])
    return found


def measure(folder: Path, names: Iterable[str]) -> Gaps:
    """The gaps of all templates of these ``names`` that run locally."""
    registry = builtin_registry()
    folders = replace(load_folders(read_settings({})), assumed=True)
    found = {name: gaps_of(folder / f"{name}.json", registry, folders) for name in names}
    return {name: gaps for name, gaps in found.items() if gaps is not None}


def _print(medium: str, gaps: Gaps, *, each: bool) -> None:
    print(f"{medium}: {sum(not found for found in gaps.values())} of {len(gaps)} have no problem")
    for added, won in greedy(gaps):
        print(f"  +{len(won)}  {', '.join(sorted(added))}")
    print(f"  most frequent: {Counter(name for found in gaps.values() for name in found).most_common(20)}")
    for name, found in gaps.items() if each else ():
        print(f"    {name}: {', '.join(sorted(found)) or 'none'}")


def main() -> None:
    """Print a list for each medium."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--medium", help="one of them only: image, video, audio, llm or 3d")
    parser.add_argument("--each", action="store_true", help="list every template's gaps as well")
    options = parser.parse_args()
    folder = next(options.folder.rglob("index.json")).parent
    for medium, names in media(folder).items():
        if options.medium in (None, medium):
            _print(medium, measure(folder, names), each=options.each)


if __name__ == "__main__":
    main()
