"""Keys of node outputs: a Merkle hash over a node's class, its typed-in values, its files, and the keys it reads.

Two nodes with the same key make the same outputs, in whichever run or workflow they stand. A key that lasts means the
same in other processes too, as long as the same code, libraries and device compute.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.calls import call_with_known, names_input, names_with_default
from engine.context import Context
from engine.entry import Entry
from engine.errors import ModelMissing, ModelUnreadable
from engine.file_inputs import named_file
from engine.fingerprint import file_fingerprint
from engine.folders import OWN_FOLDERS, Folders
from engine.inputs import FileChoice
from engine.request import Request
from engine.resolved import ResolvedNode
from engine.schema import NO_DEFAULT, NodeSpec
from engine.sources import code_of, is_house

if TYPE_CHECKING:
    from engine.model_store import ModelStore

# Keys that start with this are good for one run: the node, or one that it reads, must run every time.
ONCE = "once:"
_UNKNOWN = "?"
_numbers = itertools.count(1)
_PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class _Class:
    """What keys say of a class. ``fleeting``: what it makes may be another after a restart, with the same key.

    ``named``: inputs whose values name files, and those that the class's own fingerprint would go without. ``asks``:
    whether it is given the request itself. ``own``: whether it may look at the folders of the one whose run it is.
    """

    text: str
    fleeting: bool
    files: frozenset[str]
    named: frozenset[str]
    asks: bool
    own: bool


@dataclass(slots=True)
class _Found:
    """What a key is made of. ``once``: it is good for one run; ``is_open``: values that belong to it are to come."""

    parts: list[str]
    fleeting: bool
    once: bool = False
    is_open: bool = False


class CacheKeys(dict[str, str]):
    """Key by node id, filled with :meth:`add` in an order in which each node comes after all that it reads.

    Hidden inputs count where a class asks for them: the request, the node's own id. ``lasting``: the keys of classes
    that keep, for which all that they read is known to be the same after a restart. A user's class promises that by
    keeping too; the outputs of other classes may depend on things that no key can see, and on code that may change.

    A file that is named through a link is known once the value of that link is. Where ``values`` does not know it yet,
    the node and what reads it get keys that are good for one run; :meth:`settle` tells the right ones when the values
    are there. ``settled``: those, by node id.
    """

    def __init__(
        self,
        folders: Folders,
        models: ModelStore,
        request: Request | None = None,
        values: Callable[[str], Entry | None] = lambda _key: None,
    ) -> None:
        super().__init__()
        self.lasting: set[str] = set()
        self.settled: dict[str, str] = {}
        self._request, self._values = request, values
        self._open: dict[str, tuple[ResolvedNode, str, Mapping[int, str]]] = {}
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
            where = f"{place}/{number}"
            key, is_open = self._key(node, where, tokens or {})
            self[node.id] = key
            if is_open:
                self._open[node.id] = (node, where, tokens or {})

    def settle(self, node_id: str) -> str:
        """The node's key by the values that are known now: the same for the same files in every run, if all are."""
        known = self.settled.get(node_id)
        if known is None and node_id in self._open:
            key, is_open = self._key(*self._open[node_id])
            if is_open:
                return key
            known = self.settled[node_id] = key
        return known or self[node_id]

    def drop(self, node_id: str) -> None:
        """Forget a node that is no longer part of the run."""
        del self[node_id]
        self.settled.pop(node_id, None)
        self._open.pop(node_id, None)

    def files_stand(self) -> bool:
        """Whether the files are still what they were when the keys were made."""
        try:
            return all(file_fingerprint(path) == known for path, known in self._files.items())
        except OSError:
            return False

    def _key(self, node: ResolvedNode, place: str, tokens: Mapping[int, str]) -> tuple[str, bool]:
        """The key, and whether it will be another one once more values are known."""
        spec = node.spec
        known = self._class(spec)
        found = _Found([known.text], fleeting=known.fleeting)
        self._add_values(found, node, place, tokens)
        for name, path in node.files.items():
            self._files[path] = _contents(path, name)
            found.parts.append(f"{name!r}#{self._files[path]}")
        linked = self._linked(node, known.named)
        mark = _UNKNOWN if linked is None else self._mark(node, linked)
        if linked is None or mark is _UNKNOWN:
            found.is_open = True
        else:
            found.parts += self._linked_files(node, linked)
            found.fleeting |= bool(linked) or (spec.validate is not None and not known.files <= node.files.keys())
        if "UNIQUE_ID" in spec.hidden_inputs.values():
            found.parts.append(f"id {node.id!r}")
        if known.asks and self._request is not None:
            found.parts.append(f"request {self._request.digest}")
        if known.own:
            found.parts.append(f"space {self._folders.space!r}")
        found.parts.append(f"fingerprint {mark}")
        found.once |= found.is_open or mark is None or not spec.cacheable
        return self._named(found, keep=spec.keep), found.is_open

    def _add_values(self, found: _Found, node: ResolvedNode, place: str, tokens: Mapping[int, str]) -> None:
        """What is typed in, and the keys of what comes in through links."""
        for name, value in node.literals.items():
            text = _encode(value)
            if text is None:
                text = tokens.get(id(value), place)
                found.once |= text.startswith(ONCE)
                found.fleeting = True
            found.parts.append(f"{name!r}={text}")
        for name, link in node.links.items():
            above = self.settled.get(link.node_id) or self[link.node_id]
            found.once |= above.startswith(ONCE)
            found.fleeting |= above in self._fleeting
            found.is_open |= link.node_id in self._open and link.node_id not in self.settled
            found.parts.append(f"{name!r}@{above}:{link.slot}")

    def _named(self, found: _Found, *, keep: bool) -> str:
        if found.once:
            found.parts.append(f"run {next(_numbers)}")
        digest = hashlib.blake2b("\n".join(found.parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        if found.once:
            return ONCE + digest
        if found.fleeting:
            self._fleeting.add(digest)
        elif keep:
            self.lasting.add(digest)
        return digest

    def _mark(self, node: ResolvedNode, linked: Mapping[str, Sequence[Any]]) -> str | None:
        """The class's own fingerprint; ``None``: run it every time, ``_UNKNOWN``: it needs values that are to come."""
        spec = node.spec
        if spec.fingerprint is None:
            return ""
        mark = self._fingerprint(node, linked)
        needed = frozenset(name for name in node.links if names_input(spec.fingerprint, name)) - linked.keys()
        if mark is None and needed:  # It cannot say without them.
            more = self._linked(node, needed)
            return _UNKNOWN if more is None else self._fingerprint(node, {**linked, **more})
        return mark

    def _linked(self, node: ResolvedNode, names: frozenset[str]) -> dict[str, Sequence[Any]] | None:
        """What came in through those of the links, by input; ``None`` where some of it is not known yet."""
        linked: dict[str, Sequence[Any]] = {}
        for name in sorted(names & node.links.keys()):
            link = node.links[name]
            entry = self._values(self[link.node_id])
            if entry is None:
                return None
            linked[name] = entry.values[link.slot]
        return linked

    def _linked_files(self, node: ResolvedNode, linked: Mapping[str, Sequence[Any]]) -> Iterator[str]:
        """What is in the files that links name. One that is not there is told when the node runs."""
        for name, values in linked.items():
            marker = node.spec.inputs[name].marker
            if not isinstance(marker, FileChoice):
                continue
            for value in values:
                try:
                    path = named_file(marker, value, self._folders)
                except ModelMissing:
                    yield f"{name!r}# missing, run {next(_numbers)}"
                    continue
                if path is not None:
                    self._files[path] = _contents(path, name)
                yield f"{name!r}#{'' if path is None else self._files[path]}"

    def _class(self, spec: NodeSpec) -> _Class:
        known = self._classes.get(id(spec))
        if known is None:
            module = getattr(spec.run, "__module__", "")
            where = f"{module}.{getattr(spec.run, '__qualname__', '')}"
            text = f"{spec.name!r} {where!r} {spec.version!r}"
            foreign = not is_house(module)
            if foreign and spec.keep:
                text += f" {code_of(module)}"
            choices = {s.name: s.marker for s in spec.given_inputs if isinstance(s.marker, FileChoice)}
            known = self._classes[id(spec)] = _Class(
                text,
                fleeting=foreign and not spec.keep,
                files=frozenset(choices),
                named=_looked_at(spec).union(choices),
                asks=not {"PROMPT", "EXTRA_PNGINFO"}.isdisjoint(spec.hidden_inputs.values()),
                own=foreign or any(marker.kind in OWN_FOLDERS for marker in choices.values()),
            )
        return known

    def _fingerprint(self, node: ResolvedNode, linked: Mapping[str, Sequence[Any]]) -> str | None:
        """What the class's own function says the result depends on; ``None``: run it every time.

        Of lists that came in through links, it is asked for each item, as the node is called.
        """
        assert node.spec.fingerprint is not None
        defaults = {
            s.name: s.default
            for s in node.spec.given_inputs
            if s.default is not NO_DEFAULT and s.name not in node.links
        }
        ctx = Context(self._folders, self._models, node_id=node.id, class_type=node.class_type)
        count = max(map(len, linked.values()), default=1)
        try:
            items = [
                {name: values[min(item, len(values) - 1)] for name, values in linked.items()} for item in range(count)
            ]
            found = [
                call_with_known(node.spec.fingerprint, ctx, {**defaults, **node.literals, **item}) for item in items
            ]
            return json.dumps(found, sort_keys=True, allow_nan=False, default=_as_text)
        except Exception:  # noqa: BLE001 - a user's function; one that cannot answer (or answers NaN) means: run it
            return None


def _looked_at(spec: NodeSpec) -> frozenset[str]:
    """Inputs that the class's own fingerprint would take for left out while their links are not known."""
    if spec.fingerprint is None:
        return frozenset()
    names = names_with_default(spec.fingerprint)
    return frozenset(s.name for s in spec.given_inputs if (s.is_widget if names is None else s.name in names))


def _contents(path: Path, name: str) -> str:
    try:
        return file_fingerprint(path)
    except OSError as error:
        raise ModelUnreadable(
            f"'{path.name}' cannot be read: {error.strerror or type(error).__name__}",
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
