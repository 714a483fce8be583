"""One run: walks the plan's steps and those that lazy inputs and expansions add, and keeps what is still needed."""

from __future__ import annotations

import time
from collections import ChainMap
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import takewhile
from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.async_calls import AsyncCalls
from engine.cache import Cache
from engine.collection import collection_paused
from engine.context import CancelToken, Context
from engine.device_scheduler import DeviceScheduler
from engine.device_slot import DeviceSlot
from engine.encoded import all_there
from engine.entry import Entry
from engine.errors import Cancelled
from engine.events import EventLog, RunFinished, RunStarted
from engine.expand import Subgraph
from engine.failures import failure
from engine.folders import Folders
from engine.graph import build_graph, extend_graph, resolved
from engine.in_progress import InProgress
from engine.journal import Journal
from engine.keys import ONCE, CacheKeys
from engine.limits import Limits
from engine.live_values import LiveValues
from engine.mapping import join
from engine.model_order import grouped_by_network
from engine.node_call import NodeCall, lazy_inputs_asked_for
from engine.plan import Plan, make_plan, plan_more
from engine.publishing import Publication, PublishedFiles
from engine.report import Report
from engine.request import Request
from engine.resolved import ResolvedNode
from engine.result import RunResult
from engine.schema import NodeSpec
from engine.types import Hdr
from engine.validate import Checked
from engine.workflow import Workflow

if TYPE_CHECKING:
    from engine.model_store import ModelStore


@dataclass(frozen=True, slots=True)
class RunSetting:
    """What all runs of an executor share."""

    registry: Mapping[str, NodeSpec]
    folders: Folders
    models: ModelStore
    cache: Cache
    scheduler: DeviceScheduler = field(default_factory=DeviceScheduler)
    in_progress: InProgress = field(default_factory=InProgress)
    named: PublishedFiles = field(default_factory=PublishedFiles)
    hdr: Hdr = "sdr"
    limits: Limits = field(default_factory=Limits)


class Run:
    """State of one run. Used once, by the thread that has ``place``. ``node_id``: the node that is running, if any."""

    def __init__(
        self,
        around: RunSetting,
        workflow: Workflow,
        checked: Checked,
        place: DeviceSlot,
        *,
        log: EventLog,
        cancel: CancelToken,
        previews: bool,
        journal: Journal | None = None,
    ) -> None:
        self.node_id: str | None = None
        self._around = around
        self._workflow = workflow
        self._place = place
        self._wanted = checked.outputs
        self._log, self._cancel, self._previews = log, cancel, previews
        self._nodes = tuple(checked.nodes.values())
        with collection_paused():
            self._graph = build_graph(checked.nodes)
        self._request = Request(workflow)
        self._published = Publication(around.named, around.folders, self._request, journal=journal)
        self._keys = CacheKeys(around.folders, around.models, self._request, self._value_of)
        self._live = LiveValues()
        self._report = Report(log, checked.outputs)
        self._subgraphs: dict[str, Subgraph] = {}  # running, by the node that they stand for
        self._inside: dict[str, Subgraph] = {}  # by the nodes in them
        self._async = AsyncCalls()
        self._asked: dict[str, Sequence[str]] = {}  # what lies behind lazy inputs, by the nodes that asked for it

    def execute(self) -> RunResult:
        """Run what has to run. Raises ``NodeFailed``, ``Cancelled``."""
        started_s = time.perf_counter()
        with collection_paused():
            plan, cached = self._prepare()
        self._log.emit(RunStarted(steps=plan.steps, cached=cached))
        self._report_known(plan.found)
        if plan.steps:
            self._work(plan.steps)
        self._report_known(None)  # Nodes that are the same as another one that ran.
        results = self._report.results
        outputs = {node_id: results[node_id] for node_id in self._workflow.nodes if node_id in results}
        seconds = time.perf_counter() - started_s
        self._log.emit(RunFinished(seconds=seconds))
        return RunResult(outputs, self._report.seconds, seconds)

    def _prepare(self) -> tuple[Plan, tuple[str, ...]]:
        """The plan, and the ids of the nodes whose outputs are known."""
        self._keys.add(self._nodes)
        plan = self._plan(grouped_by_network(self._graph, self._wanted))
        known = self._around.cache.touch([self._keys[node.id] for node in self._nodes]) | plan.found.keys()
        steps = set(plan.steps)
        cached = tuple(node.id for node in self._nodes if self._keys[node.id] in known and node.id not in steps)
        return plan, cached

    def drop_values(self) -> None:
        """Drop all values at the run's end, and stop asynchronous nodes that still run."""
        self._async.close()
        self._live.clear()
        self._subgraphs.clear()
        self._report.results.clear()  # they are the caller's now; this run's objects go only with the next collection

    def _plan(self, wanted: Sequence[str]) -> Plan:
        """Plan for nodes whose outputs are kept until they are released."""
        plan = make_plan(self._graph, self._keys, wanted, self._find)
        for node_id in wanted:
            self._live.hold(self._keys[node_id])
        for node_id in plan.candidates:
            links = resolved(self._graph, node_id).links.values()
            self._live.announce(self._keys[node_id], [self._keys[link.node_id] for link in links])
        for key, entry in plan.found.items():
            self._live.put(key, entry)
        return plan

    def _find(self, key: str) -> Entry | None:
        entry = self._live.get(key)
        if entry is None and not key.startswith(ONCE):
            entry = self._around.cache.get(key, lasting=key in self._keys.lasting)
        return entry if entry is None or all_there(entry.shown) else None

    def _value_of(self, key: str) -> Entry | None:
        """The outputs under this key, if they are known already."""
        return self._find(key)

    def _report_known(self, found: Container[str] | None) -> None:
        for node_id in self._wanted:
            key = self._keys[node_id]
            if node_id not in self._report.results and (found is None or key in found):
                self._report_as_known(resolved(self._graph, node_id), self._live[key])

    def _report_as_known(self, node: ResolvedNode, entry: Entry) -> None:
        try:
            shown = self._published.of(entry.shown)
        except Exception as error:
            raise failure(node, {}, error) from error
        self._report.known(node, entry, shown)

    def _work(self, steps: Iterable[str]) -> None:
        import torch

        stack = list(steps)[::-1]
        file_work = sum(1 for _ in takewhile(lambda node_id: resolved(self._graph, node_id).spec.aside, stack))
        with torch.no_grad():
            while stack or self._async:
                self._cancel.check()
                if self._async:
                    self._bring_up(stack)
                self.node_id = stack[-1]
                node, key = resolved(self._graph, self.node_id), self._keys[self.node_id]
                more: Sequence[str] = ()
                # Not awaited: the same as a node that ran meanwhile, or behind lazy inputs that nobody asked for.
                if self._live.is_awaited(key):
                    leaves = self._place.held and len(stack) <= file_work and not self._async.any_so_far
                    last = [self._keys[node_id] for node_id in stack] if leaves else ()
                    with self._place.for_step(key, aside=node.spec.aside, last=last):
                        more = self._advance(node)
                if more:
                    stack += reversed(more)
                else:
                    stack.pop()
        self.node_id = None

    def _bring_up(self, stack: list[str]) -> None:
        """While asynchronous calls go on, move a step that can continue to the top, or a node whose call has ended."""
        done = self._async.done
        ready = next((at for at in reversed(range(len(stack))) if self._is_ready(stack[at])), None)
        if done is None and ready is not None:
            stack.append(stack.pop(ready))
            return
        if done is None:
            with self._around.scheduler.aside() if self._place.held else nullcontext():
                done = self._async.first_done(self._cancel)
        stack.append(done)

    def _is_ready(self, node_id: str) -> bool:
        """Whether everything that the step reads is there."""
        if node_id in self._async:
            return False
        if not self._live.is_awaited(self._keys[node_id]):
            return True
        subgraph, node = self._subgraphs.get(node_id), resolved(self._graph, node_id)
        if subgraph is not None:
            needed: Iterable[str] = subgraph.wanted
        else:
            linked = [link.node_id for name, link in node.links.items() if name not in node.lazy]
            needed = [*linked, *self._asked.get(node_id, ())]
        return all(self._keys[other] in self._live for other in needed)

    def _advance(self, node: ResolvedNode) -> Sequence[str]:
        """Run the node, or return the steps that must come first."""
        begun = self._async.call_of(node.id)
        if begun is None and node.spec.aside and self._made_by_another_run(node):
            return ()
        subgraph = self._subgraphs.pop(node.id, None)
        call = subgraph.call if subgraph else begun or NodeCall(node, self._context(node), self._request)
        try:
            if begun:
                self._async.take(node.id)
            elif subgraph is None and (first := self._begin(node, call)) is not None:
                return first
            if subgraph is None:
                subgraph = Subgraph(call)
                if node.id in self._inside:
                    node.literals = {}  # May be large values, which the call was the last to need.
                if subgraph.expands:
                    steps = self._enter(node, subgraph)
                    if steps:
                        self._subgraphs[node.id] = subgraph
                        return steps
            self._finish(node, subgraph)
        except Cancelled:
            raise
        except Exception as error:
            raise failure(node, call.inputs, error) from error
        return ()

    def _begin(self, node: ResolvedNode, call: NodeCall) -> Sequence[str] | None:
        """Call the node's function, unless its outputs have become known. Returns ``None`` once that is done.

        Otherwise returns the steps that must come first; none if the call goes on asynchronously.
        """
        if self._known_by_now(node):
            return ()
        asked = lazy_inputs_asked_for(node, self._keys, self._live, call)
        if asked:
            self._asked[node.id] = asked
            return plan_more(self._graph, self._keys, asked, self._live.get)
        self._report.started(node)
        call.run(self._keys, self._live)
        if not call.waiting:
            return None
        self._async.begin(call)
        return ()

    def _made_by_another_run(self, node: ResolvedNode) -> bool:
        """Whether another run has made the same outputs since this run was planned."""
        key = self._keys[node.id]
        self._place.await_others(key, self._cancel)
        entry = self._find(key) if key in self._around.cache else None
        if entry is None:
            return False
        self._live.put(key, entry)
        self._live.done(key)
        return True

    def _known_by_now(self, node: ResolvedNode) -> bool:
        """Whether the cache has it under its final key, now that the values of its links are known."""
        key, settled = self._keys[node.id], self._keys.settle(node.id)
        entry = None if settled == key else self._find(settled)
        if entry is None:
            return False
        self._live.put(key, entry)
        self._live.done(key)
        return True

    def _context(self, node: ResolvedNode) -> Context:
        return Context(
            self._around.folders,
            self._around.models,
            node_id=node.id,
            class_type=node.class_type,
            log=self._log,
            cancel=self._cancel,
            scheduler=self._around.scheduler,
            limits=self._around.limits,
            previews=self._previews,
            hdr=self._around.hdr,
        )

    def _enter(self, node: ResolvedNode, subgraph: Subgraph) -> Sequence[str]:
        """Add the nodes of the call's expansions to the run; returns the steps that they take."""
        key = self._keys[node.id]
        tokens = subgraph.tokens(ChainMap(self._keys.settled, self._keys))
        display_id = self._report.display_id(node.id)
        for number, nodes in subgraph.resolve(display_id, self._graph, self._around):
            extend_graph(self._graph, nodes.values())
            self._keys.add(nodes.values(), f"{self._keys.settle(node.id)}/{number}", tokens)
            self._report.display_ids.update(dict.fromkeys(nodes, display_id))
            self._inside.update(dict.fromkeys(nodes, subgraph))
        subgraph.call.inputs = {}
        plan = self._plan(subgraph.wanted)
        for node_id in subgraph.wanted:
            if self._keys[node_id] in plan.found:
                self._report_as_known(resolved(self._graph, node_id), plan.found[self._keys[node_id]])
        self._live.done(key)
        return plan.steps

    def _finish(self, node: ResolvedNode, subgraph: Subgraph) -> None:
        """Collect what the node made, keep it, and drop what only this node still had to read."""
        key, call = self._keys[node.id], subgraph.call
        own_shown = call.shown
        shown = subgraph.all_shown(self._keys, self._live)
        blocked = call.blocked if node.spec.output_node else None
        values = join(node.spec, subgraph.slots(self._keys, self._live))
        entry = Entry(values, MappingProxyType(shown), blocked)
        seconds = time.perf_counter() - call.started_s
        settled = self._keys.settle(node.id)
        if not settled.startswith(ONCE) and entry.nameless:
            self._around.cache.put(settled, entry)
        if settled in self._keys.lasting and self._keys.files_stand():
            self._around.cache.put_on_disk(settled, entry, seconds)
        self._live.put(key, entry)
        self._live.done(key)
        for node_id in subgraph.wanted:
            self._live.release(self._keys[node_id])
        for node_id in subgraph.ids:
            self._keys.drop(node_id)
            del self._inside[node_id], self._report.display_ids[node_id]
        self._graph.remove_nodes_from(subgraph.ids)
        outer = self._inside.get(node.id)
        if outer is not None:
            outer.shown[node.id] = shown
        published = self._published.of(shown)
        self._report.finished(node, entry, self._published.of(own_shown), published, seconds)
