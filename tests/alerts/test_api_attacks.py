"""A9: whatever is pushed is answered, never by 500; what was accepted is decided, drawn for every channel, and shown."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import delete
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lib import http
from lib.alerts import book, past
from lib.alerts.api import AlertApi, Tally
from lib.alerts.channels import open_channels
from lib.alerts.delivery.dispatch import Dispatcher, Plan
from lib.alerts.delivery.sender import Sender
from lib.alerts.matchers import exactly, hit, read, written
from lib.alerts.model import Channel, Notice, Receipt, Rendered
from lib.alerts.tables import AlertRow, CooldownRow, NoticeLogRow, OutboxRow, StoryRow
from lib.doorkeeper import Pace
from lib.heartbeats import api as heartbeats
from lib.heartbeats.log import HeartbeatLog
from lib.settings import Settings
from lib.state.database import State
from lib.status import WorkerStatus
from lib.ui.alerts import words
from lib.window import DAY, Window
from tests.alerts.channels.hostile import EVIL
from tests.alerts.pushing import HEADERS, OPEN, START, TOKEN, delivery

PATHS = ("/api/alertmanager", "/api/alerts")
REFUSED = {400, 401, 403, 404, 405, 413, 415}
ZONES = ("Pacific/Kiritimati", "Pacific/Pago_Pago")
"""Where the day begins first and last."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip
TIMES = st.one_of(
    st.builds(
        lambda moment, zone: moment.isoformat() + zone, st.datetimes(), st.sampled_from(["Z", "+14:00", "-12:00"])
    ),
    st.sampled_from([START.isoformat(), "9999-12-31T23:59:59.999999Z", "0001-01-02T00:00:00Z", "2300-01-01T00:00:00Z"]),
)
ODD_TIMES = TIMES | st.sampled_from([OPEN, "2026-03-02T12:00:00"]) | st.text(max_size=30)
VILE = EVIL.replace("\ud800", "")  # half a character is refused
WORDS = st.text(max_size=40) | st.sampled_from([VILE, VILE[:60], "critical", "x" * 1024])
LABELS = st.dictionaries(
    st.sampled_from(["alertname", "severity", "instance", "service.name", "secret", "namespace"]) | st.text(min_size=1, max_size=20),
    WORDS, min_size=1, max_size=8,
)  # fmt: skip
OPTIONS = {
    "group_by": st.sampled_from(["alertname,instance", ",", "service.name"]) | WORDS,
    "group_wait": st.sampled_from(["30s", "0s", "99999999d"]), "repeat_interval": st.sampled_from(["1s", "99999999d"]) | WORDS,
    "send_resolved": st.sampled_from(["false", "true"]), "runbook_url": st.sampled_from(["https://[::1", "/runbooks"]) | WORDS,
    "unit": WORDS, "summary": WORDS, "description": WORDS, "dashboard": WORDS,
}  # fmt: skip
TEXTS = st.fixed_dictionaries({}, optional=OPTIONS) | st.dictionaries(st.text(max_size=20), WORDS, max_size=5)
STATES = st.sampled_from(["firing", "firing", "resolved"])
ALERTS = st.fixed_dictionaries(
    {"status": STATES, "labels": LABELS, "startsAt": TIMES},
    optional={"annotations": TEXTS, "endsAt": TIMES, "odd": JSON},
)
ODD_ALERTS = st.fixed_dictionaries(
    {"status": STATES | WORDS, "labels": LABELS | JSON, "startsAt": ODD_TIMES},
    optional={"annotations": TEXTS | JSON, "endsAt": ODD_TIMES},
)
SIGNALS = st.fixed_dictionaries(
    {"key": st.text("abc/ü#", min_size=1, max_size=20) | st.text(min_size=1, max_size=20), "status": STATES},
    optional={"title": st.text(max_size=60) | st.just(VILE[:250]), "severity": st.text(max_size=32), "labels": LABELS,
              "details": st.dictionaries(st.text(), JSON, max_size=2), "expires_s": st.integers(30, 9999), "description": WORDS},
)  # fmt: skip
BROKEN = st.one_of(
    st.binary(),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.lists(ODD_ALERTS, max_size=4).map(lambda found: json.dumps(delivery(*found)).encode()),
    st.integers(4000, 5000).map(lambda n: b'{"key": "a", "status": "firing", "details": {"n": ' + b"9" * n + b"}}"),
)
TAKEN = st.lists(ALERTS, min_size=1, max_size=3).map(lambda found: json.dumps(delivery(*found)).encode())
TOLD = SIGNALS.map(lambda found: json.dumps(found).encode())
PUSHES = st.one_of(
    st.tuples(TAKEN, st.just(PATHS[0])),
    st.tuples(TOLD, st.just(PATHS[1])),
    st.tuples(BROKEN | TAKEN | TOLD, st.sampled_from(PATHS)),
)
HEADS = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {}, optional={"authorization": st.sampled_from([f"Bearer {TOKEN}", f"bearer  {TOKEN}", "Bearer", "\x00"]) | st.text(max_size=40),
                      "content-type": st.sampled_from(["application/json; charset=x", "text/plain", ""]) | st.text(max_size=40),
                      "content-encoding": st.text(max_size=10), "host": st.text(max_size=20),
                      "origin": st.sampled_from(["http://[", "null", "https://evil.example"]) | st.text(max_size=20)},
    ),
)  # fmt: skip
PLACES = st.sampled_from([*PATHS, "/api/heartbeat/backup", "/api/health", "/api", "/api/alerts/"]) | st.text(
    max_size=20
).map(lambda text: f"/api/{quote(text, safe='')}")
METHODS = st.sampled_from(["POST"] * 12 + ["GET", "PUT", "DELETE", "OPTIONS"])


@dataclass
class Drawn:
    """A channel that draws for certain, and hands over to nobody."""

    name: str
    own: Channel
    bodies: list[bytes] = field(default_factory=list)

    def render(self, notice: Notice) -> Rendered:
        return self.own.render(notice)

    def send(self, rendered: Rendered) -> Receipt:
        self.bodies.append(rendered.body)
        return Receipt(200, "ok", 1.0)

    def hint(self, code: int, reply: str) -> str:
        return ""


class World:
    """The API with all that follows from what it takes."""

    def __init__(self, state: State, zone: str) -> None:
        self.state, self.zone, self.now = state, zone, START
        told = Settings(
            zone=zone, SLACK_WEBHOOK_URL="https://hooks.slack.com/services/T/B/x", webhook_url="https://hooks.example.com/x",
            webhook_secret="s" * 24, alert_hosts="hooks.example.com", smtp_host="127.0.0.1", smtp_from="a@example.com",
            smtp_to="b@example.com", heartbeat_token=TOKEN, heartbeats=("backup=24h/2h",), _env_file=None,
        )  # type: ignore[call-arg]  # fmt: skip
        self.channels = {name: Drawn(name, one) for name, one in open_channels(told).items()}
        self.dispatcher = Dispatcher(Plan(tuple(self.channels), public_url="https://ops.example.com"))
        self.sender = Sender(state, self.channels, self.dispatcher, clock=lambda: self.now)
        self.api = self._served(told)

    def _served(self, told: Settings) -> TestClient:
        """All of `/api` that programs use, behind everything that stands before it."""
        own = AlertApi(
            SecretStr(TOKEN), lambda: self.state, self.dispatcher.dispatch, clock=lambda: self.now, pace=Pace(10**9), tally=Tally()
        )  # fmt: skip
        beats = heartbeats.routes(told, lambda: HeartbeatLog(self.state), clock=lambda: self.now, pace=Pace(10**9))
        routes = http.routes(lambda: WorkerStatus(self.now, self.now), [*own.routes(), *beats])
        app = Starlette(routes=routes, middleware=http.middleware(told))
        return TestClient(app, base_url="http://localhost:8501", raise_server_exceptions=False, follow_redirects=False)

    def push(self, body: bytes, path: str, method: str = "POST", heads: dict[str, str] | None = None) -> int:
        given = {**HEADERS, **(heads or {})}
        headers = [(name.encode(), value.encode("utf-8", "replace")) for name, value in given.items()]
        return self.api.request(method, path, content=body, headers=headers).status_code

    def goes_on(self) -> None:
        """What the loops do, in steps that let groups and storms wait."""
        for _ in range(3):
            self.now += timedelta(seconds=16)
            with self.state.writing() as session:
                self.dispatcher.dispatch(session, self.now)
            self.sender.turn()

    def forget(self) -> None:
        with self.state.writing() as session:
            for table in (AlertRow, OutboxRow, NoticeLogRow, CooldownRow, StoryRow):
                session.execute(delete(table))

    def judge(self) -> None:
        """Everything was handed over, and the pages can show it."""
        with self.state.reading() as session:
            waiting = [
                (row.state, row.reply) for row in session.query(OutboxRow) if row.state not in ("sent", "superseded")
            ]
        assert waiting == []
        opened = book.open_alerts(self.state)
        firing = len(opened)
        assert not firing or all(one.bodies for one in self.channels.values())
        for row in words.each(opened):
            matchers = exactly(row.labels)
            assert read(written(matchers)) == matchers
            assert hit(matchers, [row.labels]) == [True]
            assert words.since(row, self.now)
            self.shown(row.active_at)
            words.about(row), words.flags(row), words.runbook(row.name, row), words.page_of(row.name, row.annotations)
        whole = past.history(self.state, Window(self.now - DAY, self.now))
        past.by_rule(whole, Window(self.now - DAY, self.now))

    def shown(self, moment: datetime) -> str:
        return f"{moment.astimezone(ZoneInfo(self.zone)):%d %b %H:%M}"


@dataclass(frozen=True)
class Odd:
    """A request that is not as it should be: its method, its headers, its address."""

    method: str
    heads: dict[str, Any]
    place: str


def attack(state: State, pushes: list[tuple[bytes, str]], zone: str, odd: Odd) -> None:
    world = World(state, zone)
    world.forget()

    codes = {world.push(body, path) for body, path in pushes}
    refused = world.push(pushes[0][0], odd.place, odd.method, odd.heads)
    world.goes_on()

    assert codes <= {200, 400}
    assert refused in {200, 307, *REFUSED}
    world.judge()


def runs(state: State, examples: int, **more: bool) -> None:
    """So many examples."""
    some = given(
        pushes=st.lists(PUSHES, min_size=1, max_size=3), zone=st.sampled_from(ZONES),
        odd=st.builds(Odd, METHODS, HEADS, PLACES),
    )(attack)  # fmt: skip
    settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow], **more)(some)(state)


@pytest.mark.slow
def test_nothing_that_is_pushed_is_answered_500_or_stops_a_notice_or_a_page_a9(state: State) -> None:
    runs(state, 40)


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_five_minutes_of_it_a9(state: State) -> None:
    until, rounds = time.monotonic() + 300, 0
    while time.monotonic() < until:
        runs(state, 200, derandomize=False)  # others each time
        rounds += 200
    print(f"{rounds} examples")
