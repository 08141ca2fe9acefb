"""The embedded store: what is admitted, what survives, what a refresh sees."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.errors import QueryError, SourceUnavailable
from lib.metrics.base import Labels
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import STALE, Appended, Samples
from lib.metrics.promql.values import Matcher, Needed, Op
from lib.window import Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UP = {"__name__": "up", "instance": "a:1"}
EVERYTHING = Needed(np.array([10**12]), 10**12 + 1)
OTHER = {"__name__": "up", "instance": "b:2"}


def _samples(*points: tuple[Labels, int, float]) -> Samples:
    return Samples(
        tuple(labels for labels, _, _ in points),
        np.arange(len(points), dtype=np.int32),
        np.array([ts_ms for _, ts_ms, _ in points], dtype=np.int64),
        np.array([value for _, _, value in points]),
    )


def _stored(store: DuckMetrics) -> list[tuple[int, float]]:
    raw = store.select([Matcher("__name__", Op.EQUAL, "up")], EVERYTHING)
    return list(zip(raw.ts_ms.tolist(), raw.values.tolist(), strict=True))


def _at(store: DuckMetrics, expression: str, ts_ms: int) -> float | None:
    return store.instant(expression, EPOCH + timedelta(milliseconds=ts_ms)).scalar()


def test_a_live_sample_older_than_the_newest_is_out_of_order(store: DuckMetrics) -> None:
    store.append(_samples((UP, 2000, 1.0)))

    appended = store.append(_samples((UP, 1000, 5.0), (OTHER, 1000, 6.0)))

    assert appended == Appended(stored=1, out_of_order=1)
    assert _stored(store) == [(2000, 1.0), (1000, 6.0)]


def test_of_two_live_samples_at_one_time_the_first_wins(store: DuckMetrics) -> None:
    first = store.append(_samples((UP, 1000, 1.0), (UP, 1000, 2.0)))
    second = store.append(_samples((UP, 1000, 3.0)))

    assert (first, second) == (Appended(1, duplicate=1), Appended(0, duplicate=1))
    assert _stored(store) == [(1000, 1.0)]


def test_within_a_live_batch_order_counts_too(store: DuckMetrics) -> None:
    appended = store.append(_samples((UP, 1000, 1.0), (UP, 3000, 3.0), (UP, 2000, 2.0), (UP, 3000, 4.0)))

    assert appended == Appended(2, duplicate=1, out_of_order=1)


def test_an_import_takes_older_samples_and_drops_what_is_there(store: DuckMetrics) -> None:
    store.append(_samples((UP, 1000, 1.0), (UP, 3000, 3.0)))

    appended = store.append(_samples((UP, 2000, 2.0), (UP, 3000, 9.0), (UP, 500, 0.5), (UP, 500, 9.0)), live=False)

    assert appended == Appended(2, duplicate=2)
    assert _stored(store) == [(500, 0.5), (1000, 1.0), (2000, 2.0), (3000, 3.0)]


def test_an_import_done_twice_stores_nothing_new(store: DuckMetrics) -> None:
    batch = _samples((UP, 1000, 1.0), (OTHER, 1000, 2.0))
    store.append(batch, live=False)

    assert store.append(batch, live=False) == Appended(0, duplicate=2)


def test_the_stale_marker_keeps_its_bits_across_a_restart(tmp_path: Path) -> None:
    first = DuckMetrics(tmp_path / "m.duckdb")
    first.append(_samples((UP, 1000, np.nan), (UP, 2000, float(STALE))))
    first.close()
    second = DuckMetrics(tmp_path / "m.duckdb")

    raw = second.select([Matcher("__name__", Op.EQUAL, "up")], EVERYTHING)

    assert raw.values.view(np.uint64).tolist() == [0x7FF8000000000000, 0x7FF0000000000002]
    second.close()


def test_order_is_known_again_after_a_restart(tmp_path: Path) -> None:
    first = DuckMetrics(tmp_path / "m.duckdb")
    first.append(_samples((UP, 2000, 1.0)))
    first.close()
    second = DuckMetrics(tmp_path / "m.duckdb")

    appended = second.append(_samples((UP, 1000, 1.0), (OTHER, 1000, 1.0)))

    assert appended == Appended(1, out_of_order=1)
    assert second.series_count() == 2
    second.close()


def test_an_empty_label_is_an_absent_one(store: DuckMetrics) -> None:
    store.append(_samples((UP | {"zone": ""}, 1000, 1.0)))

    assert store.append(_samples((UP, 1000, 2.0))) == Appended(0, duplicate=1)
    assert store.instant('up{zone=""}', EPOCH + timedelta(seconds=1)).labels == (UP,)


def test_a_refresh_sees_samples_that_came_after_the_last_question(store: DuckMetrics) -> None:
    store.append(_samples((UP, 1000, 1.0)))
    assert _at(store, "up", 60_000) == 1.0

    store.append(_samples((UP, 30_000, 2.0)))

    assert _at(store, "up", 60_000) == 2.0


def test_an_import_into_a_range_already_asked_is_seen(store: DuckMetrics) -> None:
    store.append(_samples((UP, 10_000, 1.0), (UP, 30_000, 3.0)))
    assert _at(store, "count_over_time(up[1m])", 30_000) == 2.0

    store.append(_samples((UP, 20_000, 2.0)), live=False)

    assert _at(store, "count_over_time(up[1m])", 30_000) == 3.0


def test_retention_drops_old_samples_and_series_left_without_any(store: DuckMetrics) -> None:
    store.append(_samples((OTHER, 1000, 1.0), (UP, 1000, 1.0), (UP, 9000, 2.0)))

    dropped = store.retain(EPOCH + timedelta(seconds=5))

    assert dropped == 2
    assert store.series_count() == 1
    assert store.label_values("instance") == ["a:1"]
    assert store.oldest() == EPOCH + timedelta(seconds=9)
    assert _stored(store) == [(9000, 2.0)]


def test_a_series_that_retention_dropped_can_come_back(store: DuckMetrics) -> None:
    store.append(_samples((UP, 1000, 1.0), (OTHER, 9000, 1.0)))
    store.retain(EPOCH + timedelta(seconds=5))

    assert store.append(_samples((UP, 500, 4.0))) == Appended(1)
    assert _at(store, 'up{instance="a:1"}', 600) == 4.0


def test_an_empty_store_has_no_times_and_no_series(store: DuckMetrics) -> None:
    assert store.newest() is store.oldest() is None
    assert store.instant("up", EPOCH).labels == ()
    assert store.append(_samples()) == Appended(0)


def test_a_second_owner_is_told_who_holds_the_file(store: DuckMetrics, tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable):
        DuckMetrics(tmp_path / "metrics.duckdb")


def test_a_hostile_regular_expression_costs_no_time(store: DuckMetrics) -> None:
    store.append(_samples((UP | {"path": "a" * 5000 + "!"}, 1000, 1.0)))

    result = store.instant('up{path=~"(a+)+$"}', EPOCH + timedelta(seconds=1))

    assert result.labels == ()


@pytest.mark.parametrize("text", ["(", "a{2,1}", "(?<=a)b", "x" * 257])
def test_a_regular_expression_that_re2_refuses_is_a_query_error(store: DuckMetrics, text: str) -> None:
    store.append(_samples((UP, 1000, 1.0)))

    with pytest.raises(QueryError):
        store.instant(f'up{{instance=~"{text}"}}', EPOCH)


def test_questions_and_writes_at_once_never_lose_a_sample(store: DuckMetrics) -> None:
    seen: list[float] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            seen.append(_at(store, "count_over_time(up[1h])", 60_000) or 0.0)

    asking = threading.Thread(target=ask)
    asking.start()
    for n in range(60):
        store.append(_samples((UP, 1000 + n, 1.0)))
    done.set()
    asking.join()

    assert seen == sorted(seen)
    assert _at(store, "count_over_time(up[1h])", 60_000) == 60.0


points = st.tuples(st.integers(0, 1), st.integers(1, 12), st.integers(0, 9))
batches = st.lists(st.tuples(st.booleans(), st.lists(points, max_size=6), st.integers(1, 12)), max_size=8)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=batches, width=st.sampled_from((2, 4)))
def test_any_order_of_writes_and_questions_equals_a_plain_list(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[bool, list[tuple[int, int, int]], int]], width: int
) -> None:
    store = DuckMetrics(tmp_path_factory.mktemp("model") / "m.duckdb")
    model: dict[tuple[int, int], int] = {}
    labels = (UP, OTHER)

    for live, batch, asked in written:
        appended = store.append(_samples(*((labels[s], ts, float(v)) for s, ts, v in batch)), live=live)
        before = len(model)
        for s, ts, v in batch:
            newest = max((t for number, t in model if number == s), default=0)
            if not live or ts > newest:
                model.setdefault((s, ts), v)
        window = Window(EPOCH + timedelta(milliseconds=asked), EPOCH + timedelta(milliseconds=asked + 12))
        counted = store.range(f"count_over_time(up[{width}ms])", window, timedelta(milliseconds=3)).values
        expected = sum(1 for k in range(5) for _, ts in model if asked + 3 * k - width < ts <= asked + 3 * k)

        assert appended.stored == len(model) - before
        assert sum(appended.__getattribute__(f) for f in ("stored", "duplicate", "out_of_order")) == len(batch)
        assert np.nansum(counted) == expected
    store.close()
