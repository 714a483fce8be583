"""The cache: never over its budget, least recently used first, shared tensors once, safe among threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cache import Cache
from engine.encoded import Series
from engine.entry import Entry
from engine.sizes import measure
from engine.types import SavedFile


def entry_of(size_bytes: int) -> Entry:
    return Entry(((np.zeros(size_bytes, dtype=np.uint8),),))


def cost(key: str, entry: Entry) -> int:
    cache = Cache(2**30)
    cache.put(key, entry)
    return cache.statistics().bytes


operations = st.lists(
    st.tuples(st.sampled_from(["put", "get", "touch"]), st.sampled_from("abcdef"), st.integers(0, 3000)), max_size=60
)


@given(operations, st.integers(0, 8000))
def test_behaves_like_a_model(steps: list[tuple[str, str, int]], budget_bytes: int) -> None:
    cache, model = Cache(budget_bytes), OrderedDict[str, tuple[Entry, int]]()
    for what, key, size in steps:
        if what == "get":
            expected = model.get(key)
            assert cache.get(key) is (expected[0] if expected else None)
        elif what == "touch":
            assert cache.touch([key, "nothing"]) == ({key} if key in model else set())
        else:
            entry = entry_of(size)
            needed = cost(key, entry)
            model.pop(key, None)
            assert cache.put(key, entry) is (needed <= budget_bytes)
            if needed <= budget_bytes:
                model[key] = (entry, needed)
                while sum(n for _, n in model.values()) > budget_bytes:
                    model.popitem(last=False)
        if what != "put" and key in model:
            model.move_to_end(key)
        statistics = cache.statistics()
        assert statistics.bytes == sum(n for _, n in model.values()) <= budget_bytes
        assert statistics.entries == len(cache) == len(model)
        assert all(key in cache for key in model)


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sets(st.integers(0, 4), min_size=1)), max_size=40))
def test_shared_blocks_count_once_and_go_with_the_last(steps: list[tuple[str, set[int]]]) -> None:
    blocks = [np.zeros(1000 * (i + 1), dtype=np.uint8) for i in range(5)]
    cache, model = Cache(2**30), dict[str, set[int]]()
    for key, chosen in steps:
        cache.put(key, Entry((tuple(blocks[i] for i in sorted(chosen)),)))
        model[key] = chosen
    kept = set().union(*model.values())
    own = sum(
        cost(key, Entry((tuple(blocks[i] for i in sorted(m)),))) - sum(len(blocks[i]) for i in m)
        for key, m in model.items()
    )
    assert cache.statistics().bytes == sum(len(blocks[i]) for i in kept) + own
    cache.clear()
    assert cache.statistics().bytes == cache.statistics().entries == 0


@pytest.mark.parametrize("use", [lambda cache: cache.get("a"), lambda cache: cache.touch(["a"])])
def test_what_was_used_last_stays(use: Callable[[Cache], object]) -> None:
    cache = Cache(5500)
    for key in "ab":
        cache.put(key, entry_of(1500))
    use(cache)
    cache.put("c", entry_of(1500))
    assert [key for key in "abc" if key in cache] == ["a", "c"]


def test_an_entry_over_the_budget_drops_nothing_else() -> None:
    cache = Cache(5000)
    assert cache.put("small", entry_of(10))
    assert not cache.put("big", entry_of(6000))
    assert "small" in cache
    assert cache.statistics().evictions == 0


def test_statistics_count() -> None:
    cache = Cache(3000)
    cache.put("a", entry_of(1500))
    cache.get("a")
    cache.get("b")
    cache.put("b", entry_of(1500))
    found = cache.statistics()
    assert (found.hits, found.misses, found.evictions, found.entries, found.budget_bytes) == (1, 1, 1, 1, 3000)


def test_entries_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Entry().values = ((1,),)  # type: ignore[misc]


def test_many_threads() -> None:
    cache = Cache(20_000)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(300):
                key = str((number * 7 + i) % 40)
                cache.put(key, entry_of(i % 900))
                cache.get(str(i % 40))
                cache.touch(["1", "2"])
                assert cache.statistics().bytes <= 20_000
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    entries = [cache.get(str(i)) for i in range(40)]
    in_cache = sum(sum(measure(e.values)[1].values()) for e in entries if e)
    assert in_cache <= cache.statistics().bytes


def test_what_names_a_file_is_not_for_other_runs() -> None:
    assert not Entry((), {"images": (SavedFile("a.png", "sub", "output", "image/png"),), "text": ("a",)}).nameless
    assert Entry((), {"text": ("a",)}).nameless


def test_encoded_files_count() -> None:
    made = Series().save(".bin", "application/octet-stream", lambda path: path.write_bytes(bytes(5000)))
    cache = Cache(100_000)
    cache.put("a", Entry((), {"images": (made, made)}))
    assert 5000 <= cache.statistics().bytes < 7000
