"""Rules and alerts taken from a real Prometheus that evaluates: its alerts are ours, in its states, told once; and our own
engine on the same rules and samples comes to the same."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from lib.alerts.delivery.dispatch import Dispatcher, Plan
from lib.alerts.delivery.sender import Sender
from lib.alerts.engine.evaluator import Evaluator
from lib.alerts.engine.taken import Taken
from lib.alerts.lease import Lease
from lib.alerts.rules import load_rules
from lib.alerts.tables import AlertRow, RuleStateRow
from lib.errors import SourceError
from lib.metrics.ingest import Samples
from lib.metrics.prometheus import Access, PrometheusMetrics
from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from tests.alerts.delivery.world import Recorder
from tests.prometheus_server import PrometheusServer, prometheus
from tests.proxy import free_ports

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]
RULES = {
    "groups": [
        {
            "name": "crm", "interval": "1s",
            "rules": [
                {"record": "queue:all", "expr": "sum(queue_size)"},
                {"alert": "Backlog", "expr": "queue_size > 1000", "for": "2s", "labels": {"severity": "warning"},
                 "annotations": {"summary": "{{ $labels.queue_name }} holds {{ $value }}", "group_by": "alertname,queue_name"}},
                {"alert": "Twice", "expr": "label_replace(queue_size, 'queue_name', 'x', '', '') > 1", "labels": {"severity": "info"}},
            ],
        }
    ]
}  # fmt: skip
Seen = set[tuple[str, str, str]]


@dataclass
class World:
    """A server, what is taken from it, and an engine of our own with the same rules over the same store."""

    server: PrometheusServer
    store: PrometheusMetrics
    state: State
    taken: Taken
    engine: Evaluator
    own: State
    leases: tuple[Lease, Lease]
    sender: Sender
    channel: Recorder
    depths: dict[str, float] = field(default_factory=dict)

    def turn(self) -> None:
        ts_ms = round(time.time() * 1000)
        labels = tuple({"__name__": "queue_size", "queue_name": name} for name in self.depths)
        count = len(labels)
        self.server.write(
            Samples(
                labels, np.arange(count, dtype=np.int32), np.full(count, ts_ms), np.array(list(self.depths.values()))
            )
        )
        for lease in self.leases:
            lease.renew()
        self.engine.look()
        self.engine.keep()
        self.taken.turn()
        self.sender.turn()

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, f"it did not come true; {self.open('prometheus')}"
            self.turn()
            time.sleep(0.1)

    def theirs(self) -> Seen:
        return {
            (one["labels"]["alertname"], one["labels"].get("queue_name", ""), one["state"])
            for one in self.store.alerts()
        }

    def open(self, origin: str) -> Seen:
        rows = [row for row in self.rows(origin) if row.state != "resolved"]
        return {(row.name, row.labels.get("queue_name", ""), row.state) for row in rows}

    def rows(self, origin: str) -> list[AlertRow]:
        with (self.own if origin == "engine" else self.state).reading() as session:
            rows = list(session.scalars(select(AlertRow).where(AlertRow.origin == origin).order_by(AlertRow.id)))
            session.expunge_all()
            return [row for row in rows if row.name == "Backlog"]

    def agree(self) -> bool:
        """Whether both stand as the server does now."""
        theirs = {one for one in self.theirs() if one[0] == "Backlog"}
        return self.open("prometheus") == theirs == self.open("engine")

    def told(self) -> list[tuple[str, str]]:
        return [(one.kind.value, one.group["queue_name"]) for one in self.channel.sent]


@contextmanager
def world(folder: Path, port: int) -> Iterator[World]:
    (folder / "rules.yml").write_text(json.dumps(RULES), encoding="utf-8")
    state, own = open_state(sqlite_url(folder / "state.sqlite")), open_state(sqlite_url(folder / "own.sqlite"))
    with prometheus(folder / "server", json.dumps({"rule_files": [str(folder / "rules.yml")]}), port=port) as server:
        store = PrometheusMetrics(Access(server.url), timeout_s=3)
        lease, other = Lease(state), Lease(own)
        lease.renew()
        dispatcher, silent = Dispatcher(Plan(("slack",))), Dispatcher(Plan(()))
        channel = Recorder()
        rules = load_rules(folder / "rules.yml")
        engine = Evaluator(own, store, lambda: rules, other, silent.dispatch, interval_s=1)
        sender = Sender(state, {"slack": channel}, dispatcher, holds=lease.holds)
        taken = Taken(state, store, lease, dispatcher.dispatch)
        yield World(server, store, state, taken, engine, own, (lease, other), sender, channel)
        engine.close()
        store.close()
    state.close()
    own.close()


def test_a_live_servers_alerts_are_ours_from_pending_to_resolved_and_our_engine_agrees(tmp_path: Path) -> None:
    [port] = free_ports(1)
    with world(tmp_path, port) as one:
        one.depths = {"leads": 10.0, "mail": 10.0}
        one.until(lambda: len(one.theirs()) == 0 and one.agree())
        one.depths["leads"] = 5000.0
        one.until(lambda: ("Backlog", "leads", "pending") in one.open("prometheus"))
        one.until(lambda: ("Backlog", "leads", "firing") in one.open("prometheus") and one.agree())
        [row] = one.rows("prometheus")
        one.depths = {"leads": 10.0, "mail": 2000.0}
        one.until(lambda: one.open("prometheus") == {("Backlog", "mail", "firing")} and one.agree())
        with one.state.reading() as session:
            health = {rule.name: (rule.health, rule.reason) for rule in session.scalars(select(RuleStateRow))}
        ours, its = one.rows("engine"), one.rows("prometheus")

    assert (row.annotations["summary"], row.value, row.severity) == ("leads holds 5000", 5000.0, "warning")
    assert abs((row.active_at - datetime.now(UTC)).total_seconds()) < 120
    assert [(r.state, r.labels["queue_name"]) for r in its] == [("resolved", "leads"), ("firing", "mail")]
    assert [(r.labels, r.state, r.annotations) for r in ours] == [(r.labels, r.state, r.annotations) for r in its]
    assert all(abs((a.active_at - b.active_at).total_seconds()) < 5 for a, b in zip(ours, its, strict=True))
    assert one.told() == [("firing", "leads"), ("resolved", "leads"), ("firing", "mail")] or one.told() == [
        ("firing", "leads"), ("firing", "mail"), ("resolved", "leads"),
    ]  # fmt: skip
    assert health["Twice"][0] == "error"
    assert "same labelset" in health["Twice"][1] or "same alert" in health["Twice"][1]


def test_a_server_that_is_away_resolves_nothing_and_tells_nothing_twice(tmp_path: Path) -> None:
    [port] = free_ports(1)
    with world(tmp_path, port) as one:
        one.depths = {"leads": 5000.0, "mail": 10.0}
        one.until(lambda: one.told() == [("firing", "leads")])
        (folder, url) = (tmp_path / "server", one.server.url)
        config = (folder / "prometheus.yml").read_text(encoding="utf-8")
        stop(one.server)
        with pytest.raises(SourceError):
            one.taken.turn()
        assert one.open("prometheus") == {("Backlog", "leads", "firing")}

        with prometheus(folder, config, port=port) as again:
            assert again.url == url
            one.server = again
            one.until(lambda: one.theirs() >= {("Backlog", "leads", "firing")})
            one.depths["leads"] = 10.0
            one.until(lambda: one.told()[-1] == ("resolved", "leads"))

    assert one.told() == [("firing", "leads"), ("resolved", "leads")]
    assert len(one.rows("prometheus")) == 1


def stop(server: PrometheusServer) -> None:
    server.process.kill()
    server.process.wait(20)
