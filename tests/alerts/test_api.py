"""The alert API over HTTP: who is let in, what is refused and how it is said, and that nothing is answered 200 unkept."""

from __future__ import annotations

import gzip
import json
import logging
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from lib.alerts.api import Tally
from lib.alerts.pushed_json import FIRST, LAST
from lib.errors import SourceUnavailable
from lib.state.database import State
from tests.alerts.pushing import HEADERS, OPEN, START, TOKEN, alert, client, delivery, rows

BOTH = ("/api/alertmanager", "/api/alerts")
TRIGGER = {"key": "backup", "status": "firing", "title": "BackupFailed", "severity": "critical"}


def test_off_until_a_token_is_set(state: State) -> None:
    off = client(state, token="")

    answers = [off.post(path, json=delivery(alert()), headers=HEADERS) for path in BOTH]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert "HALO_OPS_API_TOKEN" in answers[0].json()["error"]
    assert rows(state) == []


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize(
    "given",
    [{}, {"authorization": ""}, {"authorization": "Bearer"}, {"authorization": f"Bearer {TOKEN}x"}, {"authorization": TOKEN},
     {"authorization": f"bearer{TOKEN}"}, {"authorization": "Bearer \u00ff"}],
)  # fmt: skip
def test_401_without_exactly_the_token(state: State, path: str, given: dict[str, str]) -> None:
    headers = {"content-type": "application/json", **given}.items()

    answer = client(state).post(path, content=b"{}", headers=[(k.encode(), v.encode("latin-1")) for k, v in headers])

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in answer.text


def test_401_where_two_tokens_are_sent(state: State) -> None:
    twice = [
        ("authorization", f"Bearer {TOKEN}"),
        ("authorization", "Bearer other"),
        ("content-type", "application/json"),
    ]

    assert client(state).post(BOTH[0], content=b"{}", headers=twice).status_code == 401


def test_the_log_names_a_sender_that_is_refused_once_a_minute_for_each_reason(
    state: State, caplog: pytest.LogCaptureFixture
) -> None:
    now = [START]
    asked = client(state, clock=lambda: now[0])
    with caplog.at_level(logging.WARNING, "lib.alerts.api"):
        for minute in (0, 0.5, 1):
            now[0] = START + timedelta(minutes=minute)
            asked.post(BOTH[0], json=delivery(alert()), headers=HEADERS | {"authorization": "Bearer hunter2"})
            asked.post(BOTH[1], content=b"{hunter2", headers=HEADERS)

    said = [line.getMessage() for line in caplog.records]
    assert [line[:68] for line in said] == [
        "alerts pushed to /api/alertmanager by testclient are refused: 401 th",
        "alerts pushed to /api/alerts by testclient are refused: 400 body: In",
    ] * 2
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_405_for_anything_but_post_and_no_cors(state: State, path: str, method: str) -> None:
    origin = {"origin": "https://evil.example", "access-control-request-method": "POST"}

    answer = client(state).request(method, path, headers={**HEADERS, **origin})

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", BOTH)
def test_413_for_more_than_a_mebibyte_whether_or_not_it_says_so(state: State, path: str) -> None:
    def unsaid() -> Any:
        for _ in range(1100):
            yield b" " * 1024

    asked = client(state)

    assert asked.post(path, content=b" " * (2**20 + 1), headers=HEADERS).status_code == 413
    assert asked.post(path, content=unsaid(), headers=HEADERS).status_code == 413


def test_413_for_more_than_a_thousand_alerts_says_what_to_set(state: State) -> None:
    alerts = [alert(number=str(number)) for number in range(1001)]

    answer = client(state).post(BOTH[0], json=delivery(*alerts), headers=HEADERS)

    assert answer.status_code == 413
    assert "max_alerts" in answer.json()["error"]
    assert rows(state) == []


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize(
    "headers",
    [{"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}, {"content-type": ""},
     {"content-type": "application/jsonp"}, {"content-encoding": "gzip"}],
)  # fmt: skip
def test_415_for_anything_but_plain_json(state: State, path: str, headers: dict[str, str]) -> None:
    body = gzip.compress(b"{}") if "content-encoding" in headers else b"{}"

    assert client(state).post(path, content=body, headers={**HEADERS, **headers}).status_code == 415


def test_429_after_sixty_in_a_minute_and_says_when(state: State) -> None:
    asked = client(state, per_minute=60)

    codes = [asked.post(BOTH[1], json=TRIGGER, headers=HEADERS).status_code for _ in range(61)]
    refused = asked.post(BOTH[0], json=delivery(alert()), headers=HEADERS)

    assert codes == [200] * 60 + [429]
    assert 0 < int(refused.headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "body"), (b"[]", "body"), (b"nul", "body"), (b'{"alerts": []}', "version"),
        (json.dumps({**delivery(), "version": "3"}), "version"),
        (json.dumps({**delivery(), "alerts": None}), "alerts"),
        (json.dumps(delivery({**alert(), "status": "odd"})), "alerts.0.status"),
        (json.dumps(delivery({**alert(), "labels": {}})), "alerts.0.labels"),
        (json.dumps(delivery({**alert(), "labels": {"a": 1}})), "alerts.0.labels"),
        (json.dumps(delivery(alert(), {**alert(), "startsAt": "soon"})), "alerts.1"),
        (json.dumps(delivery({**alert(), "startsAt": OPEN})), "startsAt is missing"),
        (json.dumps(delivery({**alert(), "startsAt": "2026-03-02T12:00:00"})), "offset"),
        (json.dumps(delivery({**alert(), "startsAt": "0001-01-01T00:00:00+09:00"})), "alerts.0"),
        (json.dumps(delivery({**alert(), "labels": {f"l{n}": "x" for n in range(65)}})), "more than 64 labels"),
        (json.dumps(delivery({**alert(), "labels": {"a": "ü" * 513}})), "longer than 1024 bytes"),
        (b"[" * 100_000, "body"),
        (b'{"version": "4", "alerts": [], "truncatedAlerts": 1e999}', "truncatedAlerts"),
    ],
)  # fmt: skip
def test_400_names_the_place_and_keeps_nothing(state: State, body: bytes | str, place: str) -> None:
    answer = client(state).post(BOTH[0], content=body, headers=HEADERS)

    assert answer.status_code == 400, answer.text
    assert place in answer.json()["error"]
    assert rows(state) == []


@pytest.mark.parametrize(
    ("wrong", "place"),
    [({"key": ""}, "key"), ({"key": "a\x00b"}, "printable"), ({"status": "on"}, "status"), ({"hue": 1}, "hue"),
     ({"expires_s": 5}, "expires_s"), ({"labels": {"a": None}}, "labels"), ({"key": "k" * 201}, "key")],
)  # fmt: skip
def test_400_for_a_program_names_the_field(state: State, wrong: dict[str, Any], place: str) -> None:
    answer = client(state).post(BOTH[1], json={**TRIGGER, **wrong}, headers=HEADERS)

    assert answer.status_code == 400
    assert place in answer.json()["error"]


def test_a_refusal_does_not_repeat_what_was_sent(state: State) -> None:
    answer = client(state).post(BOTH[1], json={**TRIGGER, "status": "hunter2-secret"}, headers=HEADERS)

    assert "hunter2" not in answer.text


def test_503_while_the_state_database_fails_and_kept_when_it_is_sent_again(state: State) -> None:
    fails = [True]

    def dispatch(_session: Session, _now: datetime) -> None:
        if fails.pop() if fails else False:
            raise SourceUnavailable("the disk is full", "state")

    asked = client(state, dispatch=dispatch)
    first = asked.post(BOTH[0], json=delivery(alert()), headers=HEADERS)
    kept_after_first = rows(state)
    second = asked.post(BOTH[0], json=delivery(alert()), headers=HEADERS)

    assert (first.status_code, first.headers["retry-after"]) == (503, "5")
    assert kept_after_first == []
    assert (second.status_code, second.json()["begun"]) == (200, 1)
    assert client(None).post(BOTH[0], json=delivery(alert()), headers=HEADERS).status_code == 503


def test_what_follows_is_in_the_same_transaction_and_only_where_something_changed(state: State) -> None:
    seen: list[int] = []
    asked = client(state, dispatch=lambda session, _: seen.append(len(session.new) + 1))

    for _ in range(3):
        asked.post(BOTH[0], json=delivery(alert()), headers=HEADERS)

    assert len(seen) == 1
    assert rows(state)[0]["repeats"] == 2


def test_secrets_in_labels_annotations_and_details_are_never_kept(state: State) -> None:
    hook = "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx"
    pushed = alert(token="abc", annotations={"d": f"see {hook}", "password": "hunter2"})
    asked = client(state)
    asked.post(BOTH[0], json=delivery(pushed), headers=HEADERS)
    asked.post(
        BOTH[1], json={**TRIGGER, "details": {"password": "hunter3", "url": "http://u:hunter4@h/"}}, headers=HEADERS
    )

    kept = str(rows(state))

    assert "[REDACTED]" in kept
    assert not [secret for secret in ("hunter", "abcdefghijklmnop", "'token': 'abc'") if secret in kept]


def test_truncated_alerts_are_counted_and_told(state: State) -> None:
    tally = Tally()

    answer = client(state, tally=tally).post(BOTH[0], json=delivery(alert(), truncated=7), headers=HEADERS)

    assert answer.json()["truncated"] == 7
    assert (tally.counts.truncated, tally.counts.truncated_at, tally.counts.kept) == (7, START, 1)


def test_an_annotation_that_is_too_long_is_cut_and_the_alert_kept(state: State) -> None:
    answer = client(state).post(BOTH[0], json=delivery(alert(annotations={"d": "x" * 9000})), headers=HEADERS)

    assert answer.status_code == 200
    assert rows(state)[0]["annotations"]["d"].endswith("x … [cut]")


def test_alerts_that_differ_in_a_masked_label_or_key_alone_stay_apart(state: State) -> None:
    asked = client(state)
    pushed = [alert(secret=name, start=start, end=end) for name, start, end in (("tls-a", 0, None), ("tls-b", 1, 2))]
    asked.post(BOTH[0], json=delivery(*pushed), headers=HEADERS)
    for key in ("a" * 40, "b" * 40, "a" * 40):  # such as a digest: it may be a credential
        asked.post(BOTH[1], json={**TRIGGER, "key": key}, headers=HEADERS)

    kept = rows(state)

    assert sorted((row["origin"], row["state"]) for row in kept) == [
        ("alertmanager", "firing"), ("alertmanager", "resolved"), ("api", "firing"), ("api", "firing"),
    ]  # fmt: skip
    assert sorted(row["repeats"] for row in kept) == [0, 0, 0, 1]
    assert not [masked for masked in ("tls-a", "tls-b", "aaaa", "bbbb") if masked in str(kept)]


def test_a_label_without_a_name_is_refused(state: State) -> None:
    answer = client(state).post(BOTH[1], json={**TRIGGER, "labels": {"": "x"}}, headers=HEADERS)

    assert (answer.status_code, "without a name" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize("year", ["0002", "1677", "2263", "9999"])
def test_a_time_that_no_clock_shows_is_moved_and_the_alert_kept_once(state: State, year: str) -> None:
    """Some calendars end in 2262, and a zone ahead of UTC has no 9999-12-31 23:59 of UTC."""
    pushed = {**alert(), "startsAt": f"{year}-12-31T23:59:59.9Z"}
    asked = client(state)
    for one in (pushed, pushed, {**pushed, "status": "resolved", "endsAt": f"{year}-12-31T23:59:59.95Z"}):
        assert asked.post(BOTH[0], json=delivery(one), headers=HEADERS).status_code == 200

    [row] = rows(state)

    assert (row["state"], row["repeats"]) == ("resolved", 1)
    assert FIRST <= row["active_at"] <= row["resolved_at"] <= LAST
