"""Every log store gives the same answer to the same question."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.errors import QueryError, SourceRejected
from lib.logs.base import GROUP_FIELDS, MEASURES, LogQuery, Match
from lib.logs.duckdb import DuckLogs
from lib.logs.ingest import Checkpoint, Gap
from lib.logs.patterns import normalise
from lib.window import DAY, Window
from tests.logs.batches import NOON, batch, request
from tests.logs.indices import Indices

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
AROUND = Window(NOON - HOUR, NOON + HOUR)
HOSTILE = ["'; DROP TABLE records; --", '"', "100%", "a_b", "\\", "NUL\0here", "*", "🦆", "${x}", "?", "Ünï"]

Store = DuckLogs | Indices
# Each server version with one form of records; test_elastic_shapes has the other pairs and more forms.
STORES = (
    pytest.param("duckdb"),
    pytest.param("elasticsearch8 winston", marks=pytest.mark.live),
    pytest.param("elasticsearch9 template", marks=pytest.mark.live),
)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    server, _, style = request.param.partition(" ")
    opened = Indices(request.getfixturevalue(server), style) if style else DuckLogs(tmp_path / "logs.duckdb")
    yield opened
    opened.close()


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[DuckLogs]:
    """An empty store that keeps positions and gaps as well."""
    opened = DuckLogs(tmp_path / "logs.duckdb")
    yield opened
    opened.close()


def everything(store: Store, query: LogQuery) -> dict[str, pd.DataFrame]:
    """One answer to each question that gives a frame."""
    return {
        "totals": store.totals(query, by=GROUP_FIELDS, step=MINUTE, measures=MEASURES),
        "durations": store.durations(query, by=["service", "method", "route", "status"], step=MINUTE),
        "requests": store.requests(query, by=["service", "method", "route", "status"], step=MINUTE),
        "histogram": store.duration_histogram(query, [0, 100], step=MINUTE),
        "patterns": store.patterns(query),
        "search": store.search(query),
    }


def test_an_empty_answer_has_the_columns_and_types_of_a_full_one(store: Store) -> None:
    empty = everything(store, LogQuery(AROUND))
    store.write(batch([request(5, value=1.0, pattern="p", request_id="r")]))

    full = everything(store, LogQuery(AROUND))

    for name, frame in full.items():
        assert len(frame) > 0, name
        assert empty[name].empty, name
        assert empty[name].dtypes.astype(str).to_dict() == frame.dtypes.astype(str).to_dict(), name
        if "ts" in frame:
            assert str(frame["ts"].dtype) == "datetime64[ns, UTC]"


def test_an_empty_store_has_totals_of_zero_and_no_age(store: Store) -> None:
    assert store.totals(LogQuery(AROUND), measures=["records", "value"]).to_dict("list") == {
        "records": [0],
        "value": [0.0],
    }
    assert store.newest() is None
    assert store.oldest() is None
    assert store.record("1") is None
    assert not any(store.ever_seen(field) for field in (*GROUP_FIELDS, "duration_ms", *MEASURES))


def test_totals_add_up_each_measure_per_group(store: Store) -> None:
    rows = [
        {"source": "apollo", "processed": 10, "successful": 8, "failed": 2, "sync_ms": 1.5},
        {"source": "apollo", "processed": 5, "successful": 5, "failed": 0, "sync_ms": 2.0},
        {"source": "zoominfo", "value": 25_000.5, "response_bytes": 7},
        {},
    ]
    store.write(batch(rows))

    found = store.totals(LogQuery(AROUND), by=["source"], measures=MEASURES).set_index("source")

    assert found.loc["apollo"].tolist() == [2, 0, 15, 13, 2, 3.5, 0]
    assert found.loc["zoominfo"].tolist() == [1, 25_000.5, 0, 0, 0, 0, 7]
    assert found.loc[""].tolist() == [1, 0, 0, 0, 0, 0, 0]


MATCHES = [
    (Match("level", ("error",)), {"b", "c"}),
    (Match("level", ("ERROR", "Warn")), {"b", "c", "d"}),
    (Match("level", ("error",), negated=True), {"a", "d"}),
    (Match("status", ("5xx",)), {"b", "c"}),
    (Match("status", ("503", "2XX")), {"a", "c"}),
    (Match("status", ("5xx", "404"), negated=True), {"a", "d"}),
    (Match("status", ("",)), {"d"}),
    (Match("route", ("/a", "/b")), {"a", "b"}),
    (Match("route", ()), set()),
    (Match("route", (), negated=True), {"a", "b", "c", "d"}),
]


def test_a_match_means_the_same_to_sums_latencies_and_search(store: Store) -> None:
    rows = [
        request(10, operation="a", level="info", status=200, route="/a"),
        request(20, operation="b", level="error", status=500, route="/b"),
        request(30, operation="c", level="ERROR", status=503, route="/c"),
        request(40, operation="d", level="WARN", status=None, route="/d"),
    ]
    store.write(batch(rows))

    for match, kept in MATCHES:
        query = LogQuery(AROUND, (match,))
        assert set(store.totals(query, by=["operation"])["operation"]) == kept, match
        assert set(store.search(query)["operation"]) == kept, match
        assert store.durations(query)["requests"].sum() == len(kept), match


def test_several_matches_hold_together(store: Store) -> None:
    store.write(batch([request(1, level="ERROR"), request(1, level="INFO"), request(1, level="ERROR", status=500)]))
    query = LogQuery(AROUND, (Match("level", ("error",)), Match("status", ("5xx",), negated=True)))

    assert store.totals(query)["records"].tolist() == [1]
    assert len(store.search(query)) == 1


def test_a_hostile_value_is_only_a_value(store: Store) -> None:
    rows = [{"route": v, "message": v, "request_id": v, "id": v, "pattern": v, "lead_id": "all"} for v in HOSTILE]
    store.write(batch([*rows, {}]))
    keeps_patterns = not isinstance(store, Indices) or store.keeps_patterns

    for value in HOSTILE:
        query = LogQuery(AROUND, (Match("route", (value,)),))
        assert store.totals(query, by=["route"]).to_dict("list") == {"route": [value], "records": [1]}
        same = LogQuery(AROUND, (Match("request_id", (value,)), Match("lead_id", ("all",))), text=value)
        assert store.search(same)["message"].tolist() == [value]
        pattern = value if keeps_patterns else normalise(value)
        assert store.patterns(query)["pattern"].tolist() == [pattern] * bool(pattern)
        assert store.record(value) is not None


@pytest.mark.parametrize("name", ["message", "ts", "1; DROP TABLE records", "", "request_id"])
def test_an_unknown_name_is_refused(store: Store, name: str) -> None:
    with pytest.raises(QueryError, match="use one of"):
        store.totals(LogQuery(AROUND), by=[name])
    with pytest.raises(QueryError, match="use one of"):
        store.totals(LogQuery(AROUND, (Match(name, ("x",)),)))
    with pytest.raises(QueryError, match="use one of"):
        store.totals(LogQuery(AROUND), measures=[name])
    with pytest.raises(QueryError, match="use one of"):
        store.durations(LogQuery(AROUND), by=[name])
    with pytest.raises(QueryError, match="use one of"):
        store.ever_seen(name)


def test_sums_count_whole_minutes_and_search_the_exact_window(store: Store) -> None:
    at = [NOON - SECOND, NOON, NOON + 30 * SECOND, NOON + 60 * SECOND, NOON + 119 * SECOND, NOON + 120 * SECOND]
    store.write(batch({"ts": ts} for ts in at))
    query = LogQuery(Window(NOON + 10 * SECOND, NOON + 2 * MINUTE))

    assert store.totals(query)["records"].tolist() == [4]
    assert store.search(query)["ts"].tolist() == [pd.Timestamp(ts) for ts in reversed(at[2:5])]


@pytest.mark.parametrize("zone", ["UTC", "Europe/London", "Asia/Kolkata", "America/New_York"])
def test_buckets_are_those_of_the_window(store: Store, zone: str) -> None:
    _check_buckets(store, zone, compacted=False)


@pytest.mark.parametrize("zone", ["UTC", "Europe/London", "Asia/Kolkata", "America/New_York"])
def test_compaction_leaves_the_buckets_alone(sink: DuckLogs, zone: str) -> None:
    _check_buckets(sink, zone, compacted=True)


def _check_buckets(store: Store, zone: str, *, compacted: bool) -> None:
    start = datetime(2026, 3, 25, 22, 30, tzinfo=UTC)  # Europe/London changes its clock on 2026-03-29
    at = [start + n * 25 * MINUTE for n in range(500)]
    store.write(batch({"ts": ts} for ts in at))
    if compacted:
        assert isinstance(store, DuckLogs)
        store.compact()
    window = Window(start, at[-1] + MINUTE, zone)

    for step in (15 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, DAY, 7 * DAY):
        found = store.totals(LogQuery(window), step=step)

        starts = window.buckets(step).as_unit("ns")
        rows = starts.searchsorted(pd.DatetimeIndex(at).as_unit("ns"), side="right") - 1
        numbers, counts = np.unique(rows, return_counts=True)
        assert found["ts"].tolist() == starts[numbers].tolist(), step
        assert found["records"].tolist() == counts.tolist(), step


def test_latency_comes_from_one_kind_of_record_per_minute_and_service(store: Store) -> None:
    api = {"message": "API Request Completed", "method": "", "route": ""}
    rows = [
        request(100),
        request(900, **api),  # the same request, logged again
        request(500, ts=NOON + MINUTE, **api),
        request(300, service="other", **api),
        request(7, message="Something else"),
    ]
    store.write(batch(rows))

    assert store.durations(LogQuery(AROUND), by=["service"], step=MINUTE)[["service", "max_ms"]].values.tolist() == [
        ["crm", 100.0], ["other", 300.0], ["crm", 500.0],
    ]  # fmt: skip
    only_info = LogQuery(AROUND, (Match("level", ("info",)),))
    assert store.durations(only_info)["requests"].tolist() == [3]


def test_requests_are_counted_as_latency_counts_them(store: Store) -> None:
    api = {"message": "API Request Completed", "method": "", "route": ""}
    rows = [
        request(100, status=200),
        request(900, **api),  # the same request, logged again
        request(-5, status=503, ts=NOON + MINUTE),
        request(500, ts=NOON + 2 * MINUTE, **api),
        request(300, service="other", **api),
        {"message": "HTTP Request", "status": 500},  # without a duration
    ]
    store.write(batch(rows))

    for query in (LogQuery(AROUND), LogQuery(AROUND, (Match("status", ("5xx", "200")),)), LogQuery(AROUND, lucene="a")):
        for by, step in (((), MINUTE), (("status",), None), (("service", "method", "route"), HOUR)):
            timed = store.durations(query, by, step)
            assert store.requests(query, by, step).equals(timed[[*(["ts"] if step else []), *by, "requests"]])
    assert store.requests(LogQuery(AROUND), ["status"]).values.tolist() == [["200", 3], ["503", 1]]
    assert store.requests(LogQuery(AROUND))["requests"].tolist() == [4]
    assert store.requests(LogQuery(AROUND.previous()))["requests"].tolist() == [0]
    with pytest.raises(QueryError, match="use one of"):
        store.requests(LogQuery(AROUND), by=["level"])


def test_a_match_does_not_bring_back_the_second_record_of_a_request(store: Store) -> None:
    store.write(batch([request(100, status=200), request(100, status=500, message="API Request Completed")]))

    assert store.durations(LogQuery(AROUND, (Match("status", ("500",)),))).empty


@given(
    st.lists(st.floats(0.02, 1e6), min_size=1, max_size=300),
    st.sampled_from(["/a", "/b"]),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_percentiles_are_within_two_percent(
    tmp_path_factory: pytest.TempPathFactory, ms: list[float], route: str
) -> None:
    store = DuckLogs(tmp_path_factory.mktemp("p") / "logs.duckdb")
    store.write(batch([*(request(value, route=route) for value in ms), request(3, route="/c")]))

    found = store.durations(LogQuery(AROUND), by=["route"]).set_index("route").loc[route]
    store.close()

    exact = np.quantile(ms, [0.5, 0.95, 0.99], method="inverted_cdf")
    assert found[["p50_ms", "p95_ms", "p99_ms"]].to_numpy(float) == pytest.approx(exact, rel=0.02)
    assert found["max_ms"] == max(ms)
    assert found["avg_ms"] == pytest.approx(np.mean(ms))
    assert found["requests"] == len(ms)


def test_bands_are_half_open_and_all_there(store: Store) -> None:
    store.write(batch(request(ms) for ms in (0, 99.9, 100, 499, 500, 999.99, 1000, 4999, 5000, 1e9)))

    found = store.duration_histogram(LogQuery(AROUND), [0, 100, 500, 1000, 5000, 1e6])

    assert found["requests"].tolist() == [2, 2, 2, 2, 1, 1]
    assert found["high_ms"].tolist() == [100, 500, 1000, 5000, 1e6, np.inf]
    assert store.duration_histogram(LogQuery(AROUND.previous()), [0, 100])["requests"].tolist() == [0, 0]


@pytest.mark.parametrize("edges", [[], [5, 5], [7, 1], [float("nan")]])
def test_bands_that_do_not_rise_are_refused(store: Store, edges: list[float]) -> None:
    with pytest.raises(QueryError, match="rise"):
        store.duration_histogram(LogQuery(AROUND), edges)


def test_patterns_tell_when_they_were_first_seen_at_all(store: Store) -> None:
    store.write(batch([{"pattern": "a", "ts": NOON, "level": "ERROR"}, {"pattern": "b", "ts": NOON}]))
    store.write(
        batch([{"pattern": "a", "ts": NOON + MINUTE, "level": "ERROR"}, {"pattern": "a", "ts": NOON - 2 * HOUR}])
    )

    found = store.patterns(LogQuery(AROUND))

    assert found[["pattern", "level", "records"]].values.tolist() == [["a", "ERROR", 2], ["b", "INFO", 1]]
    assert found["first_seen"].tolist() == [NOON, NOON]
    assert found["last_seen"].tolist() == [NOON + MINUTE, NOON]
    assert found["first_ever"].tolist() == [NOON - 2 * HOUR, NOON]
    assert store.patterns(LogQuery(AROUND), limit=1)["pattern"].tolist() == ["a"]
    one = LogQuery(AROUND, (Match("pattern_id", (found["pattern_id"][1],)),))
    assert store.search(one)["pattern_id"].tolist() == [found["pattern_id"][1]]


def test_search_reads_every_text_whatever_the_case(store: Store) -> None:
    rows = [{field: "x NEEDLE_1% y"} for field in ("message", "error", "url", "stack")]
    store.write(batch([*rows, {"fields": '{"note":"x NEEDLE_1% y"}'}, {"message": "needle-1"}]))

    assert len(store.search(LogQuery(AROUND, text="needle_1%"))) == len(rows) + 1


WIDE = {
    "message": "m",
    "error": "e",
    "stack": "s",
    "url": "/a/1",
    "route": "/a/{id}",
    "status": 503,
    "fields": '{"k":1}',
}


@pytest.mark.parametrize(
    "columns", [(), ("message",), ("stack", "fields", "error"), ("status", "ts", "status", "route")]
)
def test_a_search_gives_the_columns_asked_for_as_a_whole_one_does(store: Store, columns: tuple[str, ...]) -> None:
    store.write(batch([WIDE | {"id": f"{n:02}", "ts": NOON + n * SECOND} for n in range(9)] + [{"id": "quiet"}]))
    query = LogQuery(AROUND, lucene="stack:s AND url:1")
    whole = store.search(query)

    found, none = (
        store.search(query, 5, columns=columns),
        store.search(LogQuery(AROUND, text="nowhere"), columns=columns),
    )

    kept = [name for name in whole if name in {"id", "ts", *columns}]
    pd.testing.assert_frame_equal(found, whole[kept].head(5))
    assert len(whole) == 9
    assert none.empty
    assert none.dtypes.astype(str).to_dict() == found.dtypes.astype(str).to_dict()


def test_a_search_for_a_column_that_records_do_not_have_names_it(store: Store) -> None:
    with pytest.raises(QueryError, match="no column “id; DROP”"):
        store.search(LogQuery(AROUND), columns=("message", "id; DROP"))


def test_pages_of_a_search_neither_skip_nor_repeat(store: Store) -> None:
    store.write(batch({"id": f"{n:03}", "ts": NOON + (n // 7) * SECOND} for n in range(50)))
    whole = store.search(LogQuery(AROUND))["id"].tolist()

    pages: list[str] = []
    before = None
    while len(page := store.search(LogQuery(AROUND), limit=8, before=before)):
        pages += page["id"].tolist()
        before = (page["ts"].iloc[-1].to_pydatetime(), page["id"].iloc[-1])

    assert pages == whole
    assert whole == [f"{n:03}" for n in reversed(range(50))]


def test_a_record_comes_back_whole(store: Store) -> None:
    row = {
        "id": "x",
        "status": 503,
        "duration_ms": 1.5,
        "fields": '{"a":[1,2],"b":{"c":null}}',
        "truncated": True,
        "reason": "r",
    }
    store.write(batch([row]))

    found = store.record("x")

    assert found is not None
    assert {name: found[name] for name in row} == row | {"fields": {"a": [1, 2], "b": {"c": None}}}
    assert found["ts"] == NOON
    assert store.newest() == store.oldest() == NOON


def test_ever_seen_tells_which_fields_have_had_a_value(store: Store) -> None:
    store.write(batch([request(1, value=0.0)]))

    seen = {field for field in (*GROUP_FIELDS, "duration_ms", *MEASURES) if store.ever_seen(field)}

    assert seen == {"level", "service", "method", "route", "status", "pattern_id", "duration_ms", "records", "value"}


def test_gaps_come_newest_first(sink: DuckLogs) -> None:
    gaps = [Gap(NOON + n * MINUTE, f"f{n}", "lost", "r", n, 10 * n) for n in (-90, 1, 2)]
    sink.write(batch([]), gaps=gaps)

    found = sink.gaps(AROUND)

    assert found["file"].tolist() == ["f2", "f1"]
    assert found[["records", "bytes"]].values.tolist() == [[2, 20], [1, 10]]


def test_positions_are_kept_moved_and_forgotten(sink: DuckLogs) -> None:
    sink.write(batch([]), [Checkpoint("a", 1), Checkpoint("b", 2, '{"n":1}')])
    sink.write(batch([]), [Checkpoint("a", 9)])

    assert {c.origin: c for c in sink.checkpoints()} == {"a": Checkpoint("a", 9), "b": Checkpoint("b", 2, '{"n":1}')}
    sink.forget(["a", "zzz"])
    assert [c.origin for c in sink.checkpoints()] == ["b"]
    sink.forget([])


def test_a_batch_of_another_form_is_refused(sink: DuckLogs) -> None:
    with pytest.raises(SourceRejected, match="columns"):
        sink.write(batch([]).drop_columns(["id"]))


def test_a_failing_write_leaves_nothing(sink: DuckLogs) -> None:
    bad = Gap(NOON, "f", "lost", None)  # type: ignore[arg-type]

    with pytest.raises(SourceRejected):
        sink.write(batch([request(1, pattern="p")]), [Checkpoint("a", 1)], [bad])

    assert sink.newest() is None
    assert sink.checkpoints() == []
    assert sink.totals(LogQuery(AROUND))["records"].tolist() == [0]
    sink.write(batch([request(1, pattern="p")]))
    assert sink.patterns(LogQuery(AROUND))["pattern"].tolist() == ["p"]


def test_a_query_means_the_same_to_every_question(store: Store) -> None:
    rows = [
        request(10, operation="a", message="HTTP Request", fields='{"userId":"u1","n":5}', source="s"),
        request(20, operation="b", message="HTTP Request", fields='{"userId":"u2","n":50}', level="ERROR", status=500),
        {"operation": "c", "error": "Timed OUT after 5 s", "level": "ERROR", "pattern": "Timed OUT after <dur>"},
    ]
    store.write(batch(rows))

    for text, kept in {
        'userId:"u1"': {"a"}, "n:>5": {"b"}, "n:5": {"a"}, "level:error": {"b", "c"}, "timed": {"c"}, "status:5xx": {"b"},
        "-_exists_:userId": {"c"}, "operation:(a OR c) NOT source:*": {"c"}, "duration:[10 TO 20}": {"a"},
    }.items():  # fmt: skip
        query = LogQuery(AROUND, lucene=text)
        assert set(store.search(query)["operation"]) == kept, text
        assert store.count(query) == len(kept), text
        assert set(store.totals(query, by=["operation"], step=MINUTE)["operation"]) == kept, text
        assert set(store.totals(query, by=["operation", "status", "level"])["operation"]) == kept, text
        assert store.durations(query)["requests"].sum() == len(kept - {"c"}), text
        assert store.patterns(query)["records"].sum() == len(kept), text


def test_a_query_that_is_wrong_is_refused_with_its_place_by_every_question(store: Store) -> None:
    query = LogQuery(AROUND, lucene="a (b")

    for ask in (store.search, store.count, store.totals, store.durations, store.patterns):
        with pytest.raises(QueryError) as refused:
            ask(query)
        assert refused.value.position == 4


def test_a_count_is_of_all_that_a_search_would_find(store: Store) -> None:
    store.write(batch({"ts": NOON + n * SECOND, "message": f"m{n % 2}"} for n in range(300)))
    window = Window(NOON + 10 * SECOND, NOON + 110 * SECOND)

    assert store.count(LogQuery(window)) == 100
    assert store.count(LogQuery(window, text="m1")) == len(store.search(LogQuery(window, text="m1"))) == 50
    assert store.count(LogQuery(AROUND.previous())) == 0


def test_top_values_are_of_columns_and_of_any_other_field(store: Store) -> None:
    fields = ['{"a":{"b":"x"}}', '{"a.b":"x"}', '{"a":{"b":"7"}}', "{}"]
    store.write(batch({"fields": text, "status": 200 + n, "service": "s"} for n, text in enumerate(fields)))

    nested = store.top(LogQuery(AROUND), "a.b")
    assert nested.to_dict("list") == {"value": ["x", "", "7"], "records": [2, 1, 1], "share": [0.5, 0.25, 0.25]}
    assert store.top(LogQuery(AROUND), "nowhere").to_dict("list") == {"value": [""], "records": [4], "share": [1.0]}
    assert store.top(LogQuery(AROUND), "status", limit=1)["value"].tolist() == ["200"]
    assert store.top(LogQuery(AROUND, lucene="a.b:7"), "service")["share"].tolist() == [1.0]
    assert store.top(LogQuery(AROUND.previous()), "service").dtypes.equals(nested.dtypes)
    with pytest.raises(QueryError, match="chart"):
        store.top(LogQuery(AROUND), "ts")


def test_a_record_stands_among_its_neighbours(store: Store) -> None:
    rows = [{"id": f"{n:02}", "ts": NOON + n // 2 * SECOND, "service": "ab"[n % 2], "file": "f"} for n in range(20)]
    store.write(batch([*rows, {"id": "far", "ts": NOON - 2 * DAY, "service": "a", "file": "g"}]))

    assert store.around("10", 2, 2)["id"].tolist() == ["14", "12", "10", "08", "06"]
    assert store.around("10", 2, 1, same="")["id"].tolist() == ["11", "10", "09", "08"]
    assert store.around("10", 1, 1, same="file")["id"].tolist() == ["11", "10", "09"]
    assert store.around("00", 5, 0)["id"].tolist() == ["00"]
    assert store.around("gone").empty
    with pytest.raises(QueryError, match="use one of"):
        store.around("10", same="level")


@pytest.mark.parametrize("field", ["request_id", "lead_id"])
def test_a_trace_is_everything_of_one_in_the_order_of_time(store: Store, field: str) -> None:
    store.write(batch({"id": str(n), "ts": NOON - n * DAY, field: "x" if n % 2 else "y"} for n in range(6)))

    assert store.trace(field, "x")["id"].tolist() == ["5", "3", "1"]
    assert store.trace(field, "x", limit=2)["id"].tolist() == ["5", "3"]
    assert store.trace(field, "'; --").empty
    with pytest.raises(QueryError, match="use one of"):
        store.trace("level", "x")


ROW = st.fixed_dictionaries(
    {
        "ts": st.integers(0, 60 * 12).map(lambda minutes: NOON - minutes * MINUTE),
        "level": st.sampled_from(["INFO", "ERROR"]),
        "message": st.sampled_from(["HTTP Request", "API Request Completed", "x"]),
        "status": st.sampled_from([None, 200, 500]),
        "service": st.sampled_from(["a", "b"]),
        "duration_ms": st.sampled_from([None, 0.0, 5.0, 250.0]),
        "value": st.sampled_from([None, 1.0, 2.5]),
        "pattern": st.sampled_from(["", "p", "q"]),
    }
)


@given(
    st.lists(st.one_of(st.lists(ROW, max_size=30), st.just("compact")), max_size=6),
    st.sampled_from([None, MINUTE, HOUR, DAY]),
)
@settings(max_examples=20, deadline=None)
def test_sums_equal_the_records_whatever_the_order_of_writes(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], step: timedelta | None
) -> None:
    store, rows = DuckLogs(tmp_path_factory.mktemp("h") / "logs.duckdb"), []
    for part in steps:
        if part == "compact":
            store.compact()
        else:
            store.write(batch(part))
            rows += part
    query = LogQuery(Window(NOON - 10 * HOUR, NOON + MINUTE))

    found = store.totals(query, by=["level", "status"], step=step, measures=["records", "value"])
    timed = store.durations(query)
    seen = store.patterns(query)
    store.close()

    kept = [row for row in rows if row["ts"] >= query.window.start]
    assert sorted(found.itertuples(index=False, name=None)) == _expected(kept, query.window, step)
    assert timed["requests"].sum() == len(_timed(kept))
    assert seen["records"].sum() == sum(row["pattern"] != "" for row in kept)
    assert set(seen["first_seen"]) <= {row["ts"] for row in kept}


def _expected(rows: list[dict[str, Any]], window: Window, step: timedelta | None) -> list[tuple[Any, ...]]:
    sums: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        ts = (max(s for s in window.buckets(step) if s <= row["ts"]),) if step else ()
        held = sums.setdefault((*ts, row["level"], str(row["status"] or "")), [0, 0.0])
        held[0] += 1
        held[1] += row["value"] or 0.0
    return sorted((*key, *held) for key, held in sums.items())


def _timed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    timed = [row for row in rows if row["duration_ms"] is not None and row["message"] != "x"]
    http = {(row["ts"], row["service"]) for row in timed if row["message"] == "HTTP Request"}
    return [row for row in timed if row["message"] == "HTTP Request" or (row["ts"], row["service"]) not in http]


def test_the_last_half_second_of_a_minute_belongs_to_it_for_a_typed_query_too(store: Store) -> None:
    store.write(batch([request(1, ts=NOON - timedelta(milliseconds=1)), request(2, ts=NOON)]))
    typed = LogQuery(AROUND, lucene="message:HTTP")

    for query in (LogQuery(AROUND), typed):
        assert store.totals(query, step=MINUTE)["ts"].tolist() == [NOON - MINUTE, NOON]
    assert store.durations(typed, step=MINUTE)["max_ms"].tolist() == [1, 2]
