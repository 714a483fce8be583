"""Whatever a server does between its good answers, the file that takes its name is the right one."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.host.models.events import Arrived, Failed
from tests.adapters.host.models.conftest import Puller, weights
from tests.adapters.host.models.depot import Trick, answer, chunked, drop, open_depot, whole

BODY = weights(size_bytes=150_000)
OTHER = weights(1, 150_000)
counts = st.integers(0, len(BODY))


def of_another(trick: Trick) -> Trick:
    return lambda request, _: trick(request, OTHER)


passing = st.one_of(
    counts.map(drop),
    st.integers(0, len(BODY) - 1).map(drop).map(of_another),  # the file changed for a while
    st.sampled_from([408, 416, 429, 500, 503, 206]).map(answer),
    counts.map(lambda count: chunked(BODY[:count])),
    st.just(whole(BODY)),
)
final = st.sampled_from(
    [whole(OTHER), whole(BODY[:-1]), answer(404), answer(401), chunked(BODY + b"x"), chunked(OTHER)]
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(passing, max_size=3), st.none() | final)
def test_a_file_is_right_or_not_there(tricks: list[Trick], end: Trick | None) -> None:
    with tempfile.TemporaryDirectory() as folder, open_depot() as depot:
        puller = Puller(depot, Path(folder) / "models")
        offered = puller.offer("m.safetensors", BODY)
        waiting = depot.tricks["/m.safetensors"]
        waiting.extend(tricks + [end] * (end is not None))
        depot.forever = end is not None
        (outcome,) = puller(offered)
        if isinstance(outcome, Arrived):
            assert outcome.path.read_bytes() == BODY
        else:
            assert not puller.path("m.safetensors").exists()
        if end is None:
            assert isinstance(outcome, Arrived), outcome
        # Whatever was left behind: once the server is well, the next pull succeeds.
        waiting.clear()
        depot.forever = False
        (outcome,) = puller(offered)
        assert not isinstance(outcome, Failed), outcome
        assert puller.path("m.safetensors").read_bytes() == BODY
