"""A thousand rules within their interval, using under half a core; and ten thousand alerts at once."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from lib.alerts.rules import Rule
from lib.state.database import sqlite_url
from lib.state.migrate import open_state
from tests.alerts.engine.world import BACKLOG, STEP, World, world

pytestmark = pytest.mark.bench
RULES = 1000
INTERVAL_S = 15.0
FORMS = (
    "queue_size{{queue_name=\"q{n}\"}} > {limit}",
    "sum(rate(http_requests_total{{code=\"500\",route=\"r{n}\"}}[5m])) / sum(rate(http_requests_total{{route=\"r{n}\"}}[5m])) > 0.05",
    "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{{route=\"r{n}\"}}[5m]))) > 5",
    "avg by (route) (rate(http_requests_total{{route=\"r{n}\"}}[5m])) > {limit}",
)  # fmt: skip


def rules() -> tuple[Rule, ...]:
    return tuple(
        Rule(
            f"R{n}", FORMS[n % 4].format(n=n % 50, limit=1000 + n), for_s=60, labels={"severity": "warning"}, group="g"
        )
        for n in range(RULES)
    )


def scrape(one: World, turn: int) -> None:
    points = [({"__name__": "queue_size", "queue_name": f"q{n}"}, 900.0 + 3 * n) for n in range(50)]
    for n in range(50):
        for code in ("200", "500"):
            labels = {"__name__": "http_requests_total", "code": code, "route": f"r{n}"}
            points.append((labels, turn * (10.0 if code == "200" else n / 50)))
        for le in ("0.1", "0.5", "1", "5", "10", "+Inf"):
            points.append(
                ({"__name__": "http_request_duration_seconds_bucket", "le": le, "route": f"r{n}"}, turn * 10.0)
            )
    one.write(*points)


def test_a_thousand_rules_use_less_than_half_a_core(tmp_path: Path) -> None:
    state = open_state(sqlite_url(tmp_path / "state.sqlite"))
    with world(tmp_path, state, *rules()) as one:
        spent = []
        for turn in range(30):
            one.now += STEP
            scrape(one, turn)
            one.lease.renew()
            began, clock = time.process_time(), time.monotonic()
            one.engine.look()
            one.engine.keep()
            spent.append((time.process_time() - began, time.monotonic() - clock))
        firing = sum(row.state == "firing" for row in one.alerts())
    state.close()

    cpu_s, took_s = max(spent[10:])[0], max(took for _, took in spent[10:])
    print(f"1,000 rules: at most {cpu_s:.2f} s of CPU and {took_s:.2f} s a round; {firing} alerts fire")
    assert firing > 100
    assert cpu_s < INTERVAL_S / 2


def test_ten_thousand_alerts_at_once_hold_up_no_interval(tmp_path: Path) -> None:
    state = open_state(sqlite_url(tmp_path / "state.sqlite"))
    with world(tmp_path, state, replace(BACKLOG, for_s=0)) as one:
        spent = []
        for turn in range(4):
            one.now += STEP
            one.write(*(({"__name__": "queue_size", "queue_name": f"q{n}"}, 5000.0 + turn) for n in range(10_000)))
            one.lease.renew()
            began = time.monotonic()
            one.engine.look()
            one.engine.keep()
            spent.append(time.monotonic() - began)
        rows = len(one.alerts())
    state.close()

    print(f"10,000 alerts at once: {', '.join(f'{took:.2f}' for took in spent)} s")
    assert rows == 10_000
    assert max(spent) < INTERVAL_S
