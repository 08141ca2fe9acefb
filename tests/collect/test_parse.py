"""What a log line becomes, and that no line can stop the reading."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.collect.parse import MAX_LINE, UNPARSED, Line, Parsed, parse_lines
from lib.logs.ingest import BATCH

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
AT = "2026-11-24T11:00:00.123Z"


def parse(*raws: bytes, truncated: bool = False) -> Parsed:
    lines = [Line("origin", 100 * i, "combined.log", raw, truncated) for i, raw in enumerate(raws)]
    return parse_lines(lines, NOW)


def row(record: dict) -> dict:
    (found,) = parse(json.dumps({"timestamp": AT} | record).encode()).batch.to_pylist()
    return found


def test_an_http_request_has_its_columns_and_the_rest_in_fields():
    found = row(
        {"level": "info", "message": "HTTP Request", "service": "s", "version": "1", "method": "GET", "status": 503,
         "url": "/api/leads/42?x=1", "duration": 12.5, "ip": "::1", "requestId": "r"}
    )  # fmt: skip

    assert found["ts"] == datetime(2026, 11, 24, 11, 0, 0, 123000, tzinfo=UTC)
    assert (found["level"], found["status"], found["duration_ms"]) == ("INFO", 503, 12.5)
    assert (found["route"], found["request_id"]) == ("/api/leads/{id}", "r")
    assert orjson.loads(found["fields"]) == {"ip": "::1"}
    assert (found["file"], found["reason"], found["truncated"]) == ("combined.log", "", False)


def test_a_completed_request_names_its_status_and_size_in_its_own_way():
    found = row({"message": "API Request Completed", "statusCode": "404", "responseSize": 17, "duration": 3})

    assert (found["status"], found["response_bytes"], found["duration_ms"]) == (404, 17, 3.0)


def test_a_sync_run_has_its_stats_in_columns():
    found = row(
        {"event": "sync.completed", "stats": {"processed": 9, "successful": 7, "failed": 2, "duration": 1728.1}}
    )

    assert [found[k] for k in ("processed", "successful", "failed", "sync_ms")] == [9, 7, 2, 1728.1]
    assert found["fields"] == "{}"


def test_the_error_text_tells_patterns_apart_and_not_the_constant_message():
    plain = row({"message": "Operation Failed", "error": "timeout after 312 ms", "stack": "at x", "operation": "sync"})
    nested = row({"message": "Operation Failed", "error": {"message": "timeout after 5 ms", "stack": "at y"}})

    assert plain["pattern"] == nested["pattern"] != "Operation Failed"
    assert (plain["error"], plain["stack"], nested["stack"]) == ("timeout after 312 ms", "at x", "at y")


def test_a_lead_is_found_in_the_context_too():
    assert row({"leadId": 7})["lead_id"] == "7"
    assert row({"context": {"leadId": "L-8"}})["lead_id"] == "L-8"


@pytest.mark.parametrize(("given_", "shown"), [("warn", "WARN"), ("Warning", "WARN"), ("error", "ERROR"), (None, "")])
def test_levels_have_one_spelling(given_, shown):
    assert row({"level": given_})["level"] == shown


@pytest.mark.parametrize(
    "record",
    [
        {"status": "teapot"},
        {"status": 70000},
        {"duration": "12ms"},
        {"value": "much"},
        {"responseSize": 10**30},
        {"stats": 3},
    ],
)
def test_a_value_of_the_wrong_form_stays_among_the_fields(record):
    found = row(record)

    assert orjson.loads(found["fields"]).keys() == record.keys()


@pytest.mark.parametrize(
    ("stamp", "ts"),
    [
        ("2026-11-24T12:00:00+01:00", datetime(2026, 11, 24, 11, tzinfo=UTC)),
        ("2026-11-24 11:00:00", datetime(2026, 11, 24, 11, tzinfo=UTC)),  # no zone: UTC
        (1795518000000, datetime(2026, 11, 24, 11, tzinfo=UTC)),
        (1795518000, datetime(2026, 11, 24, 11, tzinfo=UTC)),  # seconds, as Python loggers write
    ],
)
def test_times_are_read_in_their_forms(stamp, ts):
    found = row({"timestamp": stamp})

    assert (found["ts"], found["reason"]) == (ts, "")


@pytest.mark.parametrize("stamp", ["yesterday", "", 0, -5, 10**20, True, [], "0001-01-01T00:00:00Z", "1999-01-01"])
def test_a_time_that_cannot_be_read_is_now_and_says_so(stamp):
    found = row({"timestamp": stamp})

    assert found["ts"] == NOW
    assert "time stamp" in found["reason"]


def test_a_record_from_the_future_is_kept_out_of_it():
    parsed = parse(orjson.dumps({"timestamp": (NOW + timedelta(minutes=11)).isoformat()}))

    (found,) = parsed.batch.to_pylist()
    assert found["ts"] == NOW
    assert [(gap.kind, gap.records) for gap in parsed.gaps] == [("future", 1)]


def test_a_clock_that_is_a_little_ahead_is_believed():
    ahead = NOW + timedelta(minutes=9)

    assert row({"timestamp": ahead.isoformat()})["ts"] == ahead


def test_elastic_names_the_time_in_another_way():
    (found,) = parse(orjson.dumps({"@timestamp": AT})).batch.to_pylist()

    assert found["ts"].hour == 11


BAD = [
    (b"plain text", "not JSON"),
    (b"[1]", "not a JSON object"),
    (b"17", "not a JSON object"),
    (b'{"a": NaN}', "not JSON"),
    (b'{"a": "\\ud800"}', "not JSON"),
    (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
    (b'{"a": ' + b"[" * 100_000, "not JSON"),
    (b"[" * 100_000 + b"]" * 100_000, "not JSON"),
    (b'{"a": "\xff"}', "not UTF-8"),
    (b'{"a": "x\x00y"}', "holds NUL bytes"),
    (b"\xef\xbb\xbf{}", "starts with a byte order mark"),
    (b'{"a":1}{"b":2}', "not JSON"),
]


@pytest.mark.parametrize(("raw", "reason"), BAD)
def test_a_bad_line_is_a_record_with_its_reason(raw, reason):
    parsed = parse(raw[:MAX_LINE], b'{"message": "next"}')

    bad, good = parsed.batch.to_pylist()
    assert (bad["level"], bad["reason"], bad["ts"]) == (UNPARSED, reason, NOW)
    assert bad["message"].isprintable()
    assert good["message"] == "next"
    assert parsed.unparsed == 1
    assert [(gap.kind, gap.reason, gap.records) for gap in parsed.gaps] == [("unparsed", reason, 1)]


def test_a_value_deeper_than_can_be_written_is_cut_and_kept():
    raw = b'{"message": "deep", "a": ' + b"[" * 900 + b"]" * 900 + b"}"

    (found,) = parse(raw).batch.to_pylist()

    assert found["message"] == "deep"
    assert "[TOO DEEP]" in found["fields"]


def test_a_thousand_bad_lines_are_one_gap():
    parsed = parse(*[b"nonsense"] * 1000)

    assert [(gap.records, gap.size) for gap in parsed.gaps] == [(1000, 8000)]


def test_a_long_line_is_marked():
    parsed = parse(b"x" * MAX_LINE, truncated=True)

    (found,) = parsed.batch.to_pylist()
    assert found["truncated"]
    assert (parsed.truncated, parsed.unparsed) == (1, 0)


def test_credentials_are_gone_from_every_column_and_counted():
    canary = "hunter2Canary"
    record = {
        "message": f"password={canary}", "url": f"/a?token={canary}", "error": f"Bearer {canary}", "stack": f"secret={canary}",
        "headers": {"authorization": canary}, "body": {"deep": [{"api_key": canary}]}, f"token={canary}": 1,
        "requestId": f"token={canary}", "route": f"/a?token={canary}", "source": f"pwd={canary}",
    }  # fmt: skip

    parsed = parse(orjson.dumps(record), f"not json password={canary}".encode())

    assert canary not in str(parsed.batch.to_pylist())
    assert parsed.redacted >= 11


def test_ids_are_stable_and_differ_by_place():
    first, second = parse(b"{}", b"{}").batch["id"].to_pylist()

    assert first != second
    assert parse(b"{}").batch["id"].to_pylist() == [first]


def test_blank_lines_are_no_records():
    assert parse(b"", b"  ", b"\r").batch.num_rows == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=200), st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=20)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["timestamp", "level", "message", "error", "stats", "status", "duration", "context", "url", "x"]),
        inner, max_size=5)).map(lambda v: orjson.dumps(v, default=str) if _fits(v) else b"?")), max_size=8))  # fmt: skip
def test_no_line_stops_the_reading(raws):
    parsed = parse(*raws)

    assert parsed.batch.schema.equals(BATCH)
    assert parsed.batch.num_rows == sum(bool(raw.strip(b" \t\r\x00")) for raw in raws)
    parsed.batch.validate(full=True)


def _fits(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


_NAMES = (
    "timestamp", "level", "message", "error", "status", "statusCode", "duration", "responseSize", "value", "url", "route",
    "leadId", "x", "body", "apiKey", "name", "a\x00b", "token=abcdefgh",
)  # fmt: skip
_TEXTS = st.sampled_from(
    ["", "ERROR", "warning", "404", "/api/leads/42?x=1", "timeout after 5 ms", "token=abcdefgh", "\x00", "é\u212a\n",
     "aB3dEfGh1jKlMnO-pQrStUvWxYz0123x", "p%61ssword%3Dabcdefgh", "https://u:p@h/", "3f0a1a52-0d9a-4d3c-9d5e-0123456789ab"]
)  # fmt: skip
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 70_000)
    | _TEXTS
    | st.sampled_from([1e308, 10**30, 2**63, -(2**63), 0.5]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["message", "stack", "password", "name", "value", "\x00"]), inner, max_size=2)
    ),
    max_leaves=4,
)
_DEEP = st.sampled_from([40, 300]).map(lambda depth: json.loads("[" * depth + "]" * depth))
_STAMPS = st.sampled_from(
    [AT, AT, AT, "2026-11-24T24:00:00.000Z", "2026-02-31T00:00:00.000Z", "1999-01-01T00:00:00.000Z", "2026-11-24", 5,
     "2026-11-24T11:00:60.000Z", "2026-11-24T13:00:00.000Z", "2026-11-24T11:00:00.123456Z", "２026-11-24T11:00:00.123Z"]
)  # fmt: skip


def _kinds_of_values(name: str) -> st.SearchStrategy:
    """Mostly of the kind that the field usually has, so that many records are plain."""
    if name == "timestamp":
        return st.just(AT) | _STAMPS
    usual = st.integers(0, 900) if name in ("status", "duration", "responseSize", "value") else _TEXTS
    return usual if name in ("message", "x", "url") else usual | _VALUES | _DEEP


def _many(few: list[dict]) -> list[dict]:
    """160 records in which every text of the given few comes again, and again as one of many that differ."""
    found = []
    for number in range(160):
        changed = few[number % len(few)]
        if number % 2:
            changed = {k: f"{v} {number}" if type(v) is str and k != "timestamp" else v for k, v in changed.items()}
        found.append(changed)
    return found


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(_NAMES), max_size=9).flatmap(
    lambda names: st.lists(st.fixed_dictionaries({name: _kinds_of_values(name) for name in sorted(names | {"timestamp"})}),
                           min_size=1, max_size=6)))  # fmt: skip
def test_many_records_of_one_shape_become_what_each_becomes_alone(few):
    """The quick way by columns against the plain way record by record: equal in every cell and every count."""
    records = _many(few)
    raws = [json.dumps(record).encode() for record in records]
    lines = [Line("origin", 100 * i, "combined.log", raw) for i, raw in enumerate(raws)]

    together, alone = parse_lines(lines, NOW), [parse_lines([line], NOW) for line in lines]

    assert together.batch.to_pylist() == [one.batch.to_pylist()[0] for one in alone]
    assert (together.unparsed, together.redacted) == (sum(p.unparsed for p in alone), sum(p.redacted for p in alone))
    assert {gap.kind: gap.records for gap in together.gaps} == dict(Counter(gap.kind for p in alone for gap in p.gaps))
