"""When alerts fired, on the charts whose topic is the rule's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest

from lib.alerts.rules import load_rules
from lib.settings import Settings
from lib.state.database import sqlite_url
from lib.state.migrate import open_state
from lib.ui import cache, runtime
from lib.ui.alerts import marks
from lib.ui.charts import base as charts
from lib.window import Window
from tests.alerts.seeded import alert, ended, put
from tests.seed import RULES

NOW = datetime(2026, 3, 27, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = Window(NOW - 60 * MINUTE, NOW, "UTC")


def frame(*spans: tuple[int, int | None]) -> pd.DataFrame:
    """Episodes by the minutes before NOW at which they fired and ended."""
    times = [(NOW - a * MINUTE, pd.NaT if b is None else NOW - b * MINUTE) for a, b in spans]
    return pd.DataFrame(times, columns=["fired_at", "resolved_at"]).apply(pd.to_datetime, utc=True)


@pytest.mark.parametrize(
    ("spans", "minutes"),
    [
        ([(50, 40), (45, 30)], [(50, 30)]),
        ([(90, 55), (20, None)], [(60, 55), (20, 0)]),
        ([(50, 40), (30, 20)], [(50, 40), (30, 20)]),
        ([(200, 100)], []),
        ([], []),
    ],
)
def test_times_in_which_one_fired_are_joined_and_cut_to_the_window(
    spans: list[tuple[int, int | None]], minutes: list[tuple[int, int]]
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


def test_a_chart_is_shaded_while_its_rule_fired_and_not_for_another(tmp_path: Path) -> None:
    state = open_state(sqlite_url(tmp_path / "state.sqlite"))
    put(state, [ended("HighErrorRate", NOW - 50 * MINUTE, 10 * MINUTE), alert("QueueBacklog", NOW - 30 * MINUTE),
                alert("HighErrorRate", NOW - 9 * MINUTE, labels={"namespace": "test"})])  # fmt: skip
    installed(state)
    cache.forget()
    figure: charts.Figure = {"data": [], "layout": charts.layout(HOUR)}

    marks.mark(figure, HOUR, rules=("HighErrorRate",))
    state.close()

    shades = [shape for shape in figure["layout"]["shapes"] if shape["type"] == "rect"]
    assert [(shade["x0"], shade["x1"]) for shade in shades] == [("2026-03-27T11:12:00", "2026-03-27T11:22:00")]
    assert [words["text"] for words in figure["layout"]["annotations"]] == ["▲ HighErrorRate"]


def test_without_a_state_database_a_chart_stays_as_it_is() -> None:
    installed()
    figure: charts.Figure = {"data": [], "layout": charts.layout(HOUR)}

    marks.mark(figure, HOUR, rules=("HighErrorRate",))

    assert figure["layout"]["shapes"] == []
