"""Indices as others fill them: the same log through several shippers gives the embedded store's answers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest

from lib import notes, shared_answers
from lib.collect.parse import Line, parse_lines
from lib.errors import QueryError, SourceRejected
from lib.logs.base import MEASURES, LogQuery, Match
from lib.logs.duckdb import DuckLogs
from lib.logs.elastic import latency, sums
from lib.logs.elastic.client import Access, Connection
from lib.logs.elastic.store import ElasticLogs
from lib.logs.patterns import route_of
from lib.logs.rollup import pattern_id
from lib.redact import redact
from lib.window import DAY, Window
from tests.logs.batches import NOON, batch, request
from tests.logs.indices import Document, Indices

pytestmark = pytest.mark.live

MINUTE = timedelta(minutes=1)
AROUND = Window(NOON - timedelta(hours=3), NOON + timedelta(hours=1))
ERRORS = (Match("level", ("ERROR",)),)


def records() -> list[Document]:
    """What the guide's service logs in three hours: requests with ids in their addresses, errors, syncs, leads."""
    dice, found = random.Random(7), list[Document]()
    for n in range(240):
        at = (NOON - timedelta(seconds=40 * n + dice.random())).isoformat(timespec="milliseconds")
        base = {"timestamp": at.replace("+00:00", "Z"), "level": "INFO", "service": "crm", "version": "1.4.2"}
        url = dice.choice([f"/api/leads/{n}?full=1", "/api/leads", "/api/sync/apollo", f"/api/prospects/{n}/notes"])
        status, ms = dice.choice([200, 200, 200, 201, 404, 500]), round(dice.lognormvariate(4, 1))
        request = {
            "message": "HTTP Request",
            "method": "GET",
            "url": url,
            "status": status,
            "duration": ms,
            "ip": "10.0.0.1",
        }
        found += [base | request, base | others(n)]
    return found


def others(n: int) -> Document:
    """A record of another kind, one after the other."""
    return (
        {"level": "ERROR", "message": "Operation Failed", "event": "operation.error", "operation": "lead_sync",
         "error": f"HaloPSA rejected lead {n}", "stack": "Error\n at x", "requestId": f"r{n}"},
        {"message": "Data Synchronization Completed", "event": "sync.completed", "source": "apollo",
         "stats": {"processed": n, "successful": n - 1, "failed": 1, "duration": 12}},
        {"level": "WARN", "message": f"Slow query took {n} ms"},
        {"message": "Opportunity Created", "event": "opportunity.created", "value": 1000.5 * n, "leadId": f"L-{n}"},
        {"message": "API Request Completed", "statusCode": 200, "duration": 5, "service": "worker", "responseSize": 10,
         "requestId": f"r{n}"},
        {"message": "API Request Completed", "statusCode": 200, "duration": 5, "requestId": f"r{n}"},
    )[n % 6]  # fmt: skip


def fluentd(record: Document) -> Document:
    """The event's time stays under `timestamp`; `@timestamp` is when the line was read."""
    read = datetime.fromisoformat(record["timestamp"]) + timedelta(seconds=90)
    return record | {"@timestamp": read.isoformat(), "tag": "halopsa.combined"}


def winston(record: Document) -> Document:
    """The guide's transformer: small letters, the time as `@timestamp`."""
    rest = {name: value for name, value in record.items() if name != "timestamp"}
    return rest | {"@timestamp": record["timestamp"], "level": record["level"].lower()}


def winston_nested(record: Document) -> Document:
    """winston-elasticsearch without a transformer."""
    own = {name: value for name, value in record.items() if name not in ("timestamp", "level", "message")}
    return {
        "@timestamp": record["timestamp"],
        "severity": record["level"].lower(),
        "message": record["message"],
        "fields": own,
    }


def filebeat(record: Document) -> Document:
    """Filebeat with the record decoded into an object of its own, beside fields of the agent's."""
    own = {
        "@timestamp": record["timestamp"],
        "agent": {"type": "filebeat"},
        "log": {"offset": 1},
        "input": {"type": "log"},
    }
    return own | {"json": {name: value for name, value in record.items() if name != "timestamp"}}


FORMS: dict[str, Callable[[Document], Document]] = {
    "fluentd": fluentd, "winston": winston, "winston_nested": winston_nested, "filebeat": filebeat,
}  # fmt: skip


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckLogs]:
    """The same records, read by the tail."""
    store = DuckLogs(tmp_path_factory.mktemp("logs") / "logs.duckdb")
    lines = [Line("o", n, "f", orjson.dumps(record)) for n, record in enumerate(records())]
    store.write(parse_lines(lines, NOON + DAY).batch)
    yield store
    store.close()


def opened(url: str, form: str) -> Indices:
    store = Indices(url, "winston", clean=lambda value: redact(value)[0], fresh_s=60, extent_s=60)
    documents = [(record["timestamp"][:10].replace("-", "."), "", FORMS[form](record)) for record in records()]
    store.put(documents)
    return store


@pytest.mark.parametrize(
    ("server", "form"),
    [("elasticsearch8", "fluentd"), ("elasticsearch9", "fluentd"), ("elasticsearch9", "winston"),
     ("elasticsearch8", "winston_nested"), ("elasticsearch9", "filebeat")],
)  # fmt: skip
def test_each_shippers_form_gets_the_embedded_stores_answers(
    request: pytest.FixtureRequest, embedded: DuckLogs, server: str, form: str
) -> None:
    store = opened(request.getfixturevalue(server), form)
    assert_same_answers(embedded, store)
    store.close()


def assert_same_answers(embedded: DuckLogs, store: Indices) -> None:
    """Every question of the pages about `records()`, on both."""
    everything, failing = LogQuery(AROUND), LogQuery(AROUND, ERRORS)
    typed = LogQuery(AROUND, lucene='"HTTP Request" status:5xx duration:>20 url:"/api/leads" -route:"/api/leads"')
    own = LogQuery(AROUND, lucene="_exists_:ip OR leadId:L-9 OR rejected")

    with notes.collected() as said:
        pairs = {
            "per group": [s.totals(everything, ("level", "event", "source", "operation"), measures=MEASURES) for s in (embedded, store)],
            "per minute": [s.totals(everything, ("level",), 5 * MINUTE) for s in (embedded, store)],
            "routes": [s.totals(everything, ("method", "route", "status")) for s in (embedded, store)],
            "one route": [s.totals(LogQuery(AROUND, (Match("route", ("/api/leads/{id}",)),))) for s in (embedded, store)],
            "latency": [s.durations(everything) for s in (embedded, store)],
            "latency by route": [s.durations(everything, ("service", "method", "route")) for s in (embedded, store)],
            "latency of a route": [
                s.durations(LogQuery(AROUND, (Match("route", ("/api/leads",)),)), step=timedelta(hours=1)) for s in (embedded, store)
            ],
            "bands": [s.duration_histogram(everything, [0, 50, 100, 500]) for s in (embedded, store)],
            "patterns": [s.patterns(everything).drop(columns="first_ever") for s in (embedded, store)],
            "by pattern": [s.totals(failing, ("pattern_id",)) for s in (embedded, store)],
            "typed": [s.search(typed)[["ts", "url", "status", "duration_ms"]] for s in (embedded, store)],
            "typed sums": [s.totals(own, ("level", "event"), 30 * MINUTE) for s in (embedded, store)],
            "typed latency": [s.durations(typed, ("route",)) for s in (embedded, store)],
            "typed patterns": [s.patterns(own).drop(columns="first_ever") for s in (embedded, store)],
            "top values": [s.top(own, "url", 5) for s in (embedded, store)],
            "top of its own": [s.top(everything, "ip") for s in (embedded, store)],
            "top levels": [s.top(typed, "level") for s in (embedded, store)],
            "top routes": [s.top(everything, "route") for s in (embedded, store)],
            "trace": [s.trace("request_id", "r4")[["ts", "message", "request_id"]] for s in (embedded, store)],
            "lead": [s.trace("lead_id", "L-9")[["ts", "message", "lead_id"]] for s in (embedded, store)],
            "records": [
                s.search(failing, 20)[["ts", "level", "message", "operation", "error", "stack", "request_id", "route", "pattern_id"]]
                for s in (embedded, store)
            ],
        }  # fmt: skip
    counts = [s.count(query) for query in (everything, typed, own) for s in (embedded, store)]
    ends = (store.oldest(), store.newest())
    seen = {name: store.ever_seen(name) for name in ("route", "pattern_id", "value", "status", "event")}

    for name, (ours, theirs) in pairs.items():
        assert len(ours), name
        pd.testing.assert_frame_equal(ours, theirs, obj=name)
    assert counts[::2] == counts[1::2]
    assert min(counts) > 0
    assert ends == (embedded.oldest(), embedded.newest())
    assert all(seen.values())
    assert said == []


ADDRESSES = (
    "/", "//", "/api/leads", "/api/leads/", "//api//leads?x=/1", "/api/leads/42", "/api/leads/42#top", "/api/leads/search",
    "/api/leads/a1b2c3", "/api/leads/v2", "/api/leads/abc12", "/api/leads/{leadId}", "/api/leads/:leadId", "/api/leads/ü",
    "https://crm.example/api/leads/42?q=1", "HTTP://crm.example:80", "/v1/leads/7", "/v1234/leads", "/a.b/c+d/(e)", '/"x"/~y',
    "/api/" + "x" * 41, "/api/" + "x" * 40, "/1/2/3/4/5/6/7/8", "/1/2/3/4/5/6/7/8/9", "/1/2/3/4/5/6/7/8/9/10", "/api/leads/4 2",
    "/api/leads/42/notes/7", "/api/leads/42/notes/all", "/<b>/&/@", "/a\\b", "/*", "/api/?q",
)  # fmt: skip


def test_a_route_is_the_same_to_the_cluster_as_to_the_tail(elasticsearch: str) -> None:
    store = Indices(elasticsearch, "winston", fresh_s=60)
    store.put(
        ("2026.03.10", "", {"@timestamp": NOON.isoformat(), "level": "info", "url": url}) for url in (*ADDRESSES, "*")
    )
    expected = {"*": 1}  # neither a slash nor a scheme: on no route
    for url in ADDRESSES:
        expected[route_of(url)] = expected.get(route_of(url), 0) + 1

    grouped = store.totals(LogQuery(AROUND), ("route",))
    matched = {
        route: store.totals(LogQuery(AROUND, (Match("route", (route,)),)))["records"].item() for route in expected
    } | {"*": 1}
    store.close()

    assert dict(zip(grouped["route"], grouped["records"], strict=True)) == expected
    assert matched == expected


def test_a_pattern_of_one_text_tells_its_first_time_and_one_of_many_only_that_it_is_old(elasticsearch8: str) -> None:
    store = Indices(elasticsearch8, "winston")
    at = {"old": NOON - 5 * timedelta(hours=1), "now": NOON}
    rows = [
        ("old", "Token refresh failed"),
        ("now", "Token refresh failed"),
        ("now", "Bad gateway"),
        ("now", "Lead 77 lost"),
    ]
    rows += [("old", "Deal 1 lost"), ("now", "Deal 1 lost"), ("now", "Deal 2 lost")]
    store.put(
        ("2026.03.10", "", {"@timestamp": at[when].isoformat(), "level": "error", "error": text}) for when, text in rows
    )

    found = store.patterns(LogQuery(AROUND)).set_index("pattern")["first_ever"]
    store.close()

    assert found["Token refresh failed"] == at["old"]
    assert found["Bad gateway"] == NOON
    assert found["Deal <num> lost"] == at["old"]
    assert pd.isna(found["Lead <num> lost"])  # another lead may have been lost before


def test_yesterdays_mapping_and_todays_are_asked_together(elasticsearch9: str) -> None:
    """The index template came in at midnight: `level` was text with a keyword, in small letters, and is a keyword now."""
    store = Indices(elasticsearch9, "winston")
    yesterday, today = NOON - DAY, NOON
    store.put([("2026.03.09", "", {"@timestamp": yesterday.isoformat(), "level": "error", "error": "Deal 1 lost"})])
    store.http.put(f"/{store.prefix}-2026.03.10", json={"mappings": {"properties": {
        "@timestamp": {"type": "date"}, "level": {"type": "keyword"}, "pattern": {"type": "keyword"}, "pattern_id": {"type": "keyword"},
        "error": {"type": "keyword"}, "status": {"type": "short"}}}}).raise_for_status()  # fmt: skip
    named = "Deal <num> lost"
    store.put([("2026.03.10", "", {"@timestamp": today.isoformat(), "level": "ERROR", "error": "Deal 2 lost", "pattern": named,
                                   "pattern_id": pattern_id(named), "status": 500})])  # fmt: skip
    both = LogQuery(Window(NOON - 2 * DAY, NOON + DAY), ERRORS)

    by_level = store.totals(both, ("level",))
    by_day = store.totals(both, ("status",), DAY)
    patterns = store.patterns(both)
    found = store.search(both)
    store.close()

    assert by_level.to_dict("list") == {"level": ["ERROR"], "records": [2]}
    assert by_day[["status", "records"]].values.tolist() == [["", 1], ["500", 1]]
    assert patterns[["pattern", "records"]].values.tolist() == [[named, 2]]
    assert patterns["first_seen"].tolist() == [yesterday]
    assert found["ts"].tolist() == [today, yesterday]


def test_an_alias_and_a_list_of_names_are_asked_alike(elasticsearch8: str) -> None:
    store = Indices(elasticsearch8)
    store.write(batch([{"ts": NOON - DAY}, {"ts": NOON}, {"ts": NOON}]))
    actions = [{"add": {"index": f"{store.prefix}-*", "alias": f"alias-of-{store.prefix}"}}]
    store.http.post("/_aliases", json={"actions": actions}).raise_for_status()
    counted = []
    for index in (f"alias-of-{store.prefix}", f"{store.prefix}-2026.03.09,{store.prefix}-2026.03.10"):
        other = ElasticLogs(Connection(Access((elasticsearch8,), index), timeout_s=60), clean=lambda v: v)
        counted.append(other.totals(LogQuery(Window(NOON - 2 * DAY, NOON + DAY)))["records"].tolist())
        other.close()
    store.close()

    assert counted == [[3], [3]]


def test_a_data_stream_is_asked_by_its_name_over_hidden_indices_that_map_differently(elasticsearch9: str) -> None:
    """The server has no data streams: two hidden indices under the names that a stream gives its own, and an alias for it.

    The template changed with the rollover between them.
    """
    store = Indices(elasticsearch9, "winston")
    stream = f"{store.prefix}-stream"
    backing = [f".ds-{stream}-2026.03.09-000001", f".ds-{stream}-2026.03.10-000002"]
    keywords = {
        "properties": {"@timestamp": {"type": "date"}, "level": {"type": "keyword"}, "event": {"type": "keyword"}}
    }
    for index, mappings in zip(backing, ({}, keywords), strict=True):
        made = {"settings": {"index.hidden": True}, "mappings": mappings, "aliases": {stream: {"is_hidden": False}}}
        store.http.put(f"/{index}", json=made).raise_for_status()
    for index, at, level in zip(backing, (NOON - DAY, NOON), ("error", "ERROR"), strict=True):
        found = {"@timestamp": at.isoformat(), "level": level, "event": "operation.error", "message": "x"}
        store.http.post(f"/{index}/_doc?refresh=true", json=found).raise_for_status()
    asked = ElasticLogs(Connection(Access((elasticsearch9,), stream), timeout_s=60), clean=lambda v: v)
    both = LogQuery(Window(NOON - 2 * DAY, NOON + DAY), ERRORS)

    totals, records = asked.totals(both, ("level", "event")), asked.search(both)
    ends, whole = (asked.oldest(), asked.newest()), asked.record(str(records["id"].iloc[0]))
    asked.close()
    store.http.delete(f"/{','.join(backing)}").raise_for_status()
    store.close()

    assert totals.to_dict("list") == {"level": ["ERROR"], "event": ["operation.error"], "records": [2]}
    assert records["ts"].tolist() == [NOON, NOON - DAY]
    assert ends == (NOON - DAY, NOON)
    assert whole is not None and whole["level"] == "ERROR"


def test_texts_beyond_what_is_read_are_estimated_and_said_to_be(
    elasticsearch8: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PAGE": 50, "MAX_GROUPS": 200, "TOP_TEXTS": 10, "SAMPLE": 100}.items():
        monkeypatch.setattr(sums, name, value)
    store = Indices(elasticsearch8, "winston")
    texts = (
        ["Token refresh failed"] * 100 + [f"Lead {n} lost" for n in range(300)] + [f"Deal {n} lost" for n in range(100)]
    )
    store.put(("2026.03.10", "", {"@timestamp": NOON.isoformat(), "level": "error", "error": text}) for text in texts)

    with notes.collected() as said:
        found = store.patterns(LogQuery(AROUND)).set_index("pattern")["records"]
        one = Match("pattern_id", (pattern_id("Lead <num> lost"),))
        leads = store.totals(LogQuery(AROUND, (one,)))["records"].item()
    store.close()

    assert found["Token refresh failed"] == 100
    assert found.sum() == pytest.approx(500, abs=2)
    assert found["Lead <num> lost"] == pytest.approx(300, abs=60)
    assert leads == found["Lead <num> lost"]
    assert {note.doubtful for note in said} == {False}
    assert "records with rare or long texts were read" in said[0].text


def test_texts_too_long_for_the_keyword_are_counted_too(elasticsearch9: str) -> None:
    store = Indices(elasticsearch9, "winston")
    long = "Mapping failed for field " + "x" * 300
    rows: list[Document] = [{"error": long, "message": "Operation Failed"}] * 3 + [
        {"error": "short", "message": "Operation Failed"}
    ]
    store.put(("2026.03.10", "", row | {"@timestamp": NOON.isoformat(), "level": "error"}) for row in rows)

    found = store.patterns(LogQuery(AROUND))
    store.close()

    assert found["records"].tolist() == [3, 1]
    assert found["pattern"].str[:24].tolist() == ["Mapping failed for field", "short"]


@pytest.mark.parametrize("style", ["winston", "template"])
def test_texts_too_long_for_the_keyword_are_found_by_their_words(elasticsearch8: str, style: str) -> None:
    store = Indices(elasticsearch8, style)
    long = "Mapping failed because Upstream gave up " + "x" * (300 if style == "winston" else 9000)
    store.put(("2026.03.10", "", {"@timestamp": NOON.isoformat(), "level": "ERROR", "message": text})
              for text in (long, long, "short"))  # fmt: skip

    found = {
        text: store.count(LogQuery(AROUND, lucene=text))
        for text in ("upstr", '"gave up"', "message:maPPing*up", "short", "message:*", "-upstream", "missing")
    }
    top = store.top(LogQuery(AROUND), "message")
    store.close()

    assert found == {
        "upstr": 2, '"gave up"': 2, "message:maPPing*up": 2, "short": 1, "message:*": 3, "-upstream": 1, "missing": 0,
    }  # fmt: skip
    assert top["records"].tolist() == [2, 1]
    assert top["value"].tolist() == [long, "short"]


def test_a_pattern_is_asked_for_where_indices_have_none_and_refused_inside_or(elasticsearch9: str) -> None:
    store = Indices(elasticsearch9, "winston")
    store.put(("2026.03.10", "", {"@timestamp": NOON.isoformat(), "level": "error", "error": text, "n": n})
              for n, text in enumerate(["Lead 7 lost", "Lead 8 lost", "Deal 9 lost"]))  # fmt: skip
    name = pattern_id("Lead <num> lost")

    one, other = (LogQuery(AROUND, lucene=text) for text in (f'pattern_id:"{name}" n:>0', f'NOT pattern_id:"{name}"'))
    answers = [store.count(one), len(store.search(one)), store.totals(other)["records"].item(), store.count(other)]
    top = store.top(one, "error")
    with pytest.raises(QueryError, match="inside OR"):
        store.count(LogQuery(AROUND, lucene=f"n:5 OR pattern_id:{name}"))
    with pytest.raises(QueryError, match="kept as a number"):
        store.count(LogQuery(AROUND, lucene="n:1*"))
    with pytest.raises(QueryError, match="no order by number"):
        store.count(LogQuery(AROUND, lucene="level:error error:x OR operation2:>5 OR level:a error.keyword:>5"))
    store.close()

    assert answers == [1, 1, 1, 1]
    assert top.to_dict("list") == {"value": ["Lead 8 lost"], "records": [1], "share": [1.0]}


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"level": {"type": "text"}}, "“level”.*mapped as text, not as a keyword"),
        (
            {"duration": {"type": "keyword"}, "message": {"type": "keyword"}},
            "“duration”.*mapped as exact, not as a number",
        ),
        ({"@timestamp": {"type": "keyword"}}, "neither timestamp nor @timestamp"),
    ],
)
def test_a_mapping_that_cannot_answer_is_an_error_with_its_reason(
    elasticsearch9: str, properties: dict[str, Any], words: str
) -> None:
    store = Indices(elasticsearch9, "winston")
    mappings = {"properties": {"@timestamp": {"type": "date"}, "value": {"type": "long"}} | properties}
    store.http.put(f"/{store.prefix}-2026.03.10", json={"mappings": mappings}).raise_for_status()

    with pytest.raises(SourceRejected, match=words):
        store.totals(LogQuery(AROUND), ("level",))
        store.durations(LogQuery(AROUND))
    store.close()


def test_a_first_request_of_its_group_and_latency_shows_when_the_latencies_are_looked_up_again(
    elasticsearch9: str,
) -> None:
    store = Indices(elasticsearch9, extent_s=60)
    store.write(batch([request(100, route="/a"), request(110, route="/b")]))
    before = store.durations(LogQuery(AROUND), ["route"])
    store.write(batch([request(9_000, route="/a", id="c"), request(9_000, route="/z", id="d")]))

    at_once = store.durations(LogQuery(AROUND), ["route"])
    shared_answers.forget()
    later = store.durations(LogQuery(AROUND), ["route"])
    store.close()

    assert before["route"].tolist() == at_once["route"].tolist() == ["/a", "/b"]
    assert later[["route", "requests"]].values.tolist() == [["/a", 2], ["/b", 1], ["/z", 1]]
    assert later["max_ms"].tolist() == [9_000, 110, 9_000]


def test_a_route_that_is_rare_in_all_but_not_among_the_slow_is_left_out_whole(
    elasticsearch9: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(latency, "_TERMS", 1)
    store = Indices(elasticsearch9)
    store.write(
        batch([*(request(100, route="/often", id=f"{n}") for n in range(5)), request(900, route="/slow", id="s")])
    )

    with notes.collected() as said:
        found = store.durations(LogQuery(AROUND), ["route"])
    store.close()

    assert found[["route", "requests"]].values.tolist() == [["/often", 5]]
    assert [note.text[:5] for note in said] == ["83.3%"]


def test_a_string_where_others_have_an_object_is_read_in_each_index(elasticsearch8: str) -> None:
    """`error` is a text for one service and an object for another."""
    store = Indices(elasticsearch8, "winston")
    at = {"@timestamp": NOON.isoformat(), "level": "error"}
    store.put(
        [
            ("2026.03.09", "", at | {"error": "Bad gateway"}),
            ("2026.03.10", "", at | {"error": {"message": "Bad gateway"}}),
        ]
    )

    found = store.patterns(LogQuery(AROUND))
    texts = store.search(LogQuery(AROUND))["error"].tolist()
    store.close()

    assert found[["pattern", "records"]].values.tolist() == [["Bad gateway", 2]]
    assert texts == ["Bad gateway", "Bad gateway"]


def test_a_closed_index_is_an_error_where_it_is_named(elasticsearch8: str) -> None:
    store = Indices(elasticsearch8)
    store.write(batch([{}]))
    store.http.post(f"/{store.prefix}-2026.03.10/_close").raise_for_status()
    named = ElasticLogs(
        Connection(Access((elasticsearch8,), f"{store.prefix}-2026.03.10"), timeout_s=60), clean=lambda v: v
    )

    with pytest.raises(SourceRejected, match="closed"):
        named.newest()
    assert store.newest() is None
    named.close()
    store.close()


def test_long_searches_are_read_page_by_page_and_a_crowded_moment_in_order(elasticsearch9: str) -> None:
    store = Indices(elasticsearch9)
    store.write(batch({"id": f"{n:04}", "ts": NOON if n < 900 else NOON + MINUTE} for n in range(1300)))

    whole = store.search(LogQuery(AROUND), limit=2000)["id"].tolist()
    before = (NOON, "0500")
    rest = store.search(LogQuery(AROUND), limit=100, before=before)["id"].tolist()
    store.close()

    assert whole == [f"{n:04}" for n in reversed(range(1300))]
    assert rest == [f"{n:04}" for n in reversed(range(400, 500))]


def test_credentials_that_others_wrote_do_not_come_out(elasticsearch9: str) -> None:
    store = Indices(elasticsearch9, "winston", clean=lambda value: redact(value)[0])
    canary = "hunter2-canary"
    store.put([("2026.03.10", "c", {"@timestamp": NOON.isoformat(), "level": "error", "error": f"login failed: password={canary}",
                                    "headers": {"authorization": f"Bearer {canary}"}})])  # fmt: skip

    shown = [store.search(LogQuery(AROUND)), store.record("c"), store.patterns(LogQuery(AROUND))]
    store.close()

    assert len(shown[0]) == 1
    assert canary not in "".join(str(part if isinstance(part, dict) else part.to_dict()) for part in shown)


def test_a_record_from_the_future_is_not_the_newest(elasticsearch8: str) -> None:
    store = Indices(elasticsearch8)
    store.write(batch([{"ts": NOON}, {"ts": datetime.now(UTC) + 2 * DAY}]))

    newest = store.newest()
    store.close()

    assert newest == NOON


def test_the_template_is_accepted_as_it_is(elasticsearch: str, tmp_path: Path) -> None:
    store = Indices(elasticsearch, "template")
    store.write(batch([{"message": "x", "fields": '{"nested":{"n":1},"note":"y"}'}]))

    found = store.search(LogQuery(AROUND, text="y"))
    store.close()

    assert found["fields"].tolist() == ['{"nested":{"n":1},"note":"y"}']
