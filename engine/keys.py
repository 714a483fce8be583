"""Keys of node outputs: a Merkle hash over a node's class, its typed-in values, its files, and the keys it reads.

Two nodes with the same key make the same outputs, in whichever run or workflow they stand. A key that lasts means the
same in other processes too, as long as the same code, libraries and device compute.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.calls import call_with_known
from engine.context import Context
from engine.errors import ModelUnreadable
from engine.fingerprint import file_fingerprint
from engine.folders import Folders
from engine.inputs import FileChoice
from engine.resolved import ResolvedNode
from engine.schema import NO_DEFAULT, NodeSpec
from engine.sources import code_of, is_house

if TYPE_CHECKING:
    from engine.model_store import ModelStore

# Keys that start with this are good for one run: the node, or one that it reads, must run every time.
ONCE = "once:"
_numbers = itertools.count(1)
_PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class _Class:
    """What keys say of a class. ``fleeting``: what it makes may be another after a restart, with the same key."""

    text: str
    fleeting: bool
    file_inputs: frozenset[str]


class Keys(dict[str, str]):
    """Key by node id, filled with :meth:`add` in an order in which each node comes after all that it reads.

    Hidden inputs do not count, but for the node's own id where a class asks for it. ``lasting``: the keys of classes
    that keep, for which all that they read is known to be the same after a restart. A user's class promises that by
    keeping too; what others make may hang on anything, and their code may change.
    """

    def __init__(self, folders: Folders, models: ModelStore) -> None:
        super().__init__()
        self.lasting: set[str] = set()
        self._fleeting: set[str] = set()
        self._files: dict[Path, str] = {}
        self._folders = folders
        self._models = models
        self._classes: dict[int, _Class] = {}

    def add(self, nodes: Iterable[ResolvedNode], place: str = "", tokens: Mapping[int, str] | None = None) -> None:
        """Add the keys of ``nodes``. Fingerprint functions are called, and files hashed where they may have changed.

        Nodes of an expansion may have values typed in that are no JSON (a picture). ``tokens`` names those that came
        in through inputs, by ``id``; others are named by where they stand, ``place`` being the expansion's own key.
        """
        for number, node in enumerate(nodes):
            self[node.id] = self._key(node, f"{place}/{number}", tokens or {})

    def files_stand(self) -> bool:
        """Whether the files are still what they were when the keys were made."""
        try:
            return all(file_fingerprint(path) == known for path, known in self._files.items())
        except OSError:
            return False

    def _key(self, node: ResolvedNode, place: str, tokens: Mapping[int, str]) -> str:
        spec = node.spec
        known = self._class(spec)
        parts, once, fleeting = [known.text], False, known.fleeting or _has_unknown_files(node, known.file_inputs)
        for name, value in node.literals.items():
            text = _encode(value)
            if text is None:
                text = tokens.get(id(value), place)
                once, fleeting = once or text.startswith(ONCE), True
            parts.append(f"{name!r}={text}")
        for name, link in node.links.items():
            above = self[link.node_id]
            once, fleeting = once or above.startswith(ONCE), fleeting or above in self._fleeting
            parts.append(f"{name!r}@{above}:{link.slot}")
        for name, path in node.files.items():
            self._files[path] = _contents(path, name)
            parts.append(f"{name!r}#{self._files[path]}")
        if "UNIQUE_ID" in spec.hidden_inputs.values():
            parts.append(f"id {node.id!r}")
        mark = self._fingerprint(node) if spec.fingerprint is not None else ""
        parts.append(f"fingerprint {mark}")
        if mark is None or not spec.cacheable:
            once = True
            parts.append(f"run {next(_numbers)}")
        digest = hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        if once:
            return ONCE + digest
        if fleeting:
            self._fleeting.add(digest)
        elif spec.keep:
            self.lasting.add(digest)
        return digest

    def _class(self, spec: NodeSpec) -> _Class:
        known = self._classes.get(id(spec))
        if known is None:
            module = getattr(spec.run, "__module__", "")
            where = f"{module}.{getattr(spec.run, '__qualname__', '')}"
            text = f"{spec.name!r} {where!r} {spec.version!r}"
            foreign = not is_house(module)
            if foreign and spec.keep:
                text += f" {code_of(module)}"
            files = frozenset(s.name for s in spec.given_inputs if isinstance(s.marker, FileChoice))
            known = self._classes[id(spec)] = _Class(text, foreign and not spec.keep, files)
        return known

    def _fingerprint(self, node: ResolvedNode) -> str | None:
        """What the class's own function says the result depends on; ``None``: run it every time."""
        assert node.spec.fingerprint is not None
        defaults = {
            s.name: s.default
            for s in node.spec.given_inputs
            if s.default is not NO_DEFAULT and s.name not in node.links
        }
        ctx = Context(self._folders, self._models, node_id=node.id, class_type=node.class_type)
        try:
            found = call_with_known(node.spec.fingerprint, ctx, {**defaults, **node.literals})
            return json.dumps(found, sort_keys=True, allow_nan=False, default=_as_text)
        except Exception:  # noqa: BLE001 - a user's function; one that cannot answer (or answers NaN) means: run it
            return None


def _has_unknown_files(node: ResolvedNode, file_inputs: frozenset[str]) -> bool:
    """Whether it may read a file whose contents are not part of its key: the name comes in by a link."""
    unknown = file_inputs - node.files.keys() if file_inputs else file_inputs
    return any(name in node.links or node.spec.validate is not None for name in unknown)


def _contents(path: Path, name: str) -> str:
    try:
        return file_fingerprint(path)
    except OSError as error:
        raise ModelUnreadable(
            f"{path} cannot be read: {error.strerror or error}",
            input=name,
            remedy="check that it may be read, and the disk",
        ) from error


def _encode(value: Any) -> str | None:
    """A text that equal values share and others do not; ``None`` for what is no JSON."""
    if isinstance(value, _PLAIN):
        return repr(value)
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return None


def _as_text(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else repr(value)
