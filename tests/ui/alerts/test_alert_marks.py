"""When alerts fired, on the charts whose topic is the rule's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pandas as pd
import pytest

from lib.alerts.matchers import read
from lib.alerts.rules import load_rules
from lib.alerts.silences import create
from lib.identity.roles import Actor, Role, Via
from lib.settings import Settings
from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from lib.ui import cache, runtime
from lib.ui.alerts import maintenance, marks
from lib.ui.charts import base as charts
from lib.window import Window
from tests.alerts.seeded import alert, ended, put
from tests.seed import RULES

NOW = datetime(2026, 3, 27, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = Window(NOW - 60 * MINUTE, NOW, "UTC")


def frame(*spans: tuple[float, float | None]) -> pd.DataFrame:
    """Episodes by the minutes before NOW at which they fired and ended."""
    times = [(NOW - a * MINUTE, pd.NaT if b is None else NOW - b * MINUTE) for a, b in spans]
    return pd.DataFrame(times, columns=["fired_at", "resolved_at"]).apply(pd.to_datetime, utc=True)


@pytest.mark.parametrize(
    ("spans", "minutes"),
    [
        ([(50, 40), (45, 30)], [(50, 30)]),
        ([(90, 55), (20, None)], [(60, 55), (20, 0)]),
        ([(50, 40), (30, 20)], [(50, 40), (30, 20)]),
        ([(50, 40.1), (40, 30)], [(50, 30)]),  # a gap of 6 s in an hour is no wider than the line
        ([(200, 100)], []),
        ([], []),
    ],
)
def test_times_in_which_one_fired_are_joined_and_cut_to_the_window(
    spans: list[tuple[float, float | None]], minutes: list[tuple[int, int]]
) -> None:
    assert marks.merged(frame(*spans), HOUR) == [(NOW - a * MINUTE, NOW - b * MINUTE) for a, b in minutes]


def installed(state: Any = None) -> None:
    stores = cast("Any", SimpleNamespace(rules=load_rules(RULES)))
    runtime.install(runtime.Runtime(Settings(), stores, lambda: None, state))


def test_a_chart_of_a_metric_belongs_to_the_rules_that_read_it() -> None:
    installed()

    assert marks.rules_of("http_requests_total") == ("HighErrorRate",)
    assert marks.rules_of("http_request_duration_seconds_bucket") == ("SlowResponseTime",)
    assert marks.rules_of("requests_total") == ()
    assert marks.rules_of("") == ()


@pytest.fixture
def past(tmp_path: Path) -> Iterator[State]:
    """A state database in which alerts of several rules fired within the hour."""
    state = open_state(sqlite_url(tmp_path / "state.sqlite"))
    put(state, [ended("HighErrorRate", NOW - 50 * MINUTE, 10 * MINUTE),
                alert("QueueBacklog", NOW - 30 * MINUTE, severity="warning"),
                ended("<b>Pushed</b>", NOW - 20 * MINUTE, 5 * MINUTE, severity="warning"),
                alert("HighErrorRate", NOW - 9 * MINUTE, labels={"namespace": "test"})])  # fmt: skip
    installed(state)
    cache.forget()
    yield state
    cache.forget()
    runtime.install(None)
    state.close()


def chart() -> charts.Figure:
    return {"data": [], "layout": charts.layout(HOUR)}


def test_a_chart_is_shaded_while_its_rule_fired_and_named(past: State) -> None:
    figure = chart()

    marks.mark(figure, HOUR, rules=("HighErrorRate",))

    shade = figure["layout"]["shapes"][0]
    assert shade["path"] == "M2026-03-27_11:12:00,0V1H2026-03-27_11:22:00V0Z"
    assert shade["fillcolor"].startswith("@critical/")
    assert [words["text"] for words in figure["layout"]["annotations"]] == ["▲ HighErrorRate"]


def test_a_rule_that_a_limit_line_names_is_not_named_twice(past: State) -> None:
    figure = chart()

    marks.mark(figure, HOUR, rules=("HighErrorRate",), named=("HighErrorRate",))

    assert figure["layout"]["shapes"]
    assert figure["layout"]["annotations"] == []


def test_what_else_fired_is_a_strip_at_the_foot_that_says_what_to_the_pointer(past: State) -> None:
    figure = chart()

    marks.mark(figure, HOUR, rules=("HighErrorRate",))

    (strip,) = figure["data"]
    assert strip["x"][:2] == ["2026-03-27T11:32:00", "2026-03-27T12:00:00"]
    assert strip["text"][0] == "◆ &lt;b&gt;Pushed&lt;/b&gt;, QueueBacklog"
    assert strip["line"]["color"] == "@warning"


def test_a_chart_says_in_words_what_fired(past: State) -> None:
    assert marks.mark(chart(), HOUR).startswith("Alerts: ")
    assert "HighErrorRate 27 Mar" in marks.mark(chart(), HOUR)


def test_a_bad_day_costs_a_chart_few_bytes(past: State) -> None:
    """Six charts of 10 KiB of data and these marks stay within the 100 KiB of a refresh."""
    day = Window(NOW - timedelta(days=1), NOW, "UTC")
    put(past, [ended(f"Rule{number % 7}", NOW - number * 3 * MINUTE, MINUTE, severity=("critical", "warning")[number % 7 % 2])
               for number in range(1, 470)])  # fmt: skip
    cache.forget()
    figure: charts.Figure = {"data": [], "layout": charts.layout(day)}
    bare = len(orjson.dumps(figure))

    marks.mark(figure, day, rules=("Rule1", "Rule2"))

    assert 1000 < len(orjson.dumps(figure)) - bare < 6000


def test_a_storm_of_alerts_costs_a_chart_no_more_than_a_quiet_day(past: State) -> None:
    few = quickest(marked)
    put(past, [ended(f"Rule{number % 50}", NOW - 40 * MINUTE, (number % 30) * MINUTE, labels={"number": str(number)})
               for number in range(5000)])  # fmt: skip
    cache.forget()

    many = quickest(marked)

    assert many < 10 * few, "a thousand times as many alerts; one by one it were hundreds of times as slow"


def marked() -> None:
    marks.mark(chart(), HOUR, rules=("Rule1", "HighErrorRate"))


def quickest(work: Callable[[], None]) -> float:
    """Seconds of the quickest of some runs, the first of which asks the database."""
    work()
    times = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def test_however_many_fired_the_first_one_is_marked(past: State) -> None:
    minutes = [(number + 0.4, float(number)) for number in range(59, 0, -1)]

    spans = marks.merged(frame(*minutes), HOUR)

    assert len(spans) <= marks.MOST_SPANS
    assert spans[0][0] == pd.Timestamp(NOW - 59.4 * MINUTE)


def test_without_a_state_database_a_chart_stays_as_it_is() -> None:
    installed()
    figure = chart()

    assert marks.mark(figure, HOUR, rules=("HighErrorRate",)) == ""

    assert figure == chart()


def test_a_chart_is_shaded_in_the_colour_of_maintenance_while_its_rule_was_silenced(past: State) -> None:
    who = Actor("anna@example.com", Role.OPERATOR, Via.OIDC)
    started = datetime.now(UTC) - 20 * MINUTE
    with past.writing() as session:
        for text in ('alertname="HighErrorRate"', 'alertname="QueueBacklog"', 'alertname="HighErrorRate",instance="a"'):
            create(
                session, who, read(text), starts_at=started, ends_at=started + 60 * MINUTE, reason="deploy", now=started
            )
    window = Window(started - 10 * MINUTE, started + 20 * MINUTE, "UTC")
    figure: charts.Figure = {"data": [], "layout": charts.layout(window)}

    maintenance.mark(figure, window, rules=("HighErrorRate",))

    shade = figure["layout"]["shapes"][0]
    assert shade["fillcolor"].startswith("@maintenance/")
    assert shade["path"].count("M") == 1
    assert [words["text"] for words in figure["layout"]["annotations"]] == ["✚ silenced"]
