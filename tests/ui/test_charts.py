"""Figures as plain data, and how they travel."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from lib.ui import cards
from lib.ui.charts import base, health
from lib.ui.live_chart import encoded
from lib.window import Window

NOON = datetime(2026, 3, 27, 12, tzinfo=UTC)


def index(hours: int, start: datetime = NOON) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=hours, freq="1h")


def test_an_even_step_travels_as_start_and_step_on_the_viewers_clock() -> None:
    axis = base.time_axis(index(3), "Europe/Berlin")

    assert axis == {"x0": "2026-03-27T13:00:00", "dx": 3_600_000}


def test_a_change_of_clocks_sends_every_time() -> None:
    axis = base.time_axis(index(4, datetime(2026, 3, 28, 23, tzinfo=UTC)), "Europe/Berlin")  # 02:00 is skipped

    assert axis["x"] == [
        "2026-03-29T00:00:00", "2026-03-29T01:00:00", "2026-03-29T03:00:00", "2026-03-29T04:00:00"
    ]  # fmt: skip


def test_a_hole_stays_a_hole_and_numbers_travel_as_float32() -> None:
    frame = pd.DataFrame({"p95": [1.5, np.nan, 3.0]}, index=index(3))
    figure = encoded(base.lines(frame, Window(NOON, NOON + timedelta(hours=3)), unit="ms"))

    y = figure["data"][0]["y"]
    values = np.frombuffer(base64.b64decode(y["bdata"]), dtype="<f4")
    assert y["dtype"] == "f4"
    assert values[[0, 2]].tolist() == [1.5, 3.0]
    assert np.isnan(values[1])


def test_a_grid_travels_with_its_shape() -> None:
    assert encoded(np.zeros((2, 3)))["shape"] == "2, 3"


def test_text_from_outside_is_no_markup_in_a_chart() -> None:
    frame = pd.DataFrame({'<a href="https://evil.example">x</a>': [1.0]}, index=index(1))

    assert "<" not in base.lines(frame, Window.last("1h", NOON))["data"][0]["name"]


def test_the_last_bucket_is_marked_while_it_still_fills() -> None:
    frame = pd.DataFrame({"created": [4.0, 5.0, 1.0]}, index=index(3))
    half_full = Window(NOON, NOON + timedelta(hours=2, minutes=30))

    figure = base.stacked_bars(frame, half_full)

    assert [(s["x0"], s["x1"]) for s in figure["layout"]["shapes"]] == [("2026-03-27T14:00:00", "2026-03-27T14:30:00")]
    assert [a["text"] for a in figure["layout"]["annotations"]] == ["so far"]
    assert base.counted_lines(frame, half_full)["layout"]["shapes"] == figure["layout"]["shapes"]


def test_a_full_last_bucket_is_not_marked() -> None:
    frame = pd.DataFrame({"created": [4.0, 5.0, 1.0]}, index=index(3))

    assert base.stacked_bars(frame, Window(NOON, NOON + timedelta(hours=3)))["layout"]["shapes"] == []


def test_a_threshold_has_a_line_and_words() -> None:
    figure = base.threshold(base.lines(pd.DataFrame(index=index(0)), Window.last("1h", NOON)), 1000, "p95 > 1000 ms")

    assert figure["layout"]["shapes"][0]["y0"] == 1000
    assert "p95 &gt; 1000 ms" in figure["layout"]["annotations"][0]["text"]


def test_both_themes_have_the_same_colour_tokens() -> None:
    tokens = base.tokens()

    assert tokens["light"].keys() == tokens["dark"].keys()
    assert base.severity_colour("error") in tokens["light"]


def test_the_period_before_is_drawn_in_the_unit_the_words_and_the_colour_of_this_one() -> None:
    window = Window(NOON, NOON + timedelta(hours=3))
    frame = pd.DataFrame({"value": [0.1, 0.2, 0.3]}, index=index(3))
    past = frame.set_axis(frame.index).mul(0.5)

    figure = base.overlay_previous(
        cards.percent(frame, window, names={"value": "failed"}), cards.percent(past, window, names={"value": "failed"})
    )

    now, before = figure["data"]
    assert before["y"].tolist() == pytest.approx([5, 10, 15])
    assert before["name"] == "failed, before"
    assert before["line"] == {"width": 1.2, "dash": "dot", "color": now["line"]["color"]}
    assert before["x0"] == now["x0"]


def test_over_stacked_bars_the_period_before_runs_where_its_bars_would_end() -> None:
    window = Window(NOON, NOON + timedelta(hours=2))
    past = pd.DataFrame({"apollo": [1.0, np.nan], "zoominfo": [2.0, 3.0]}, index=index(2))

    lines = base.overlay_previous({"data": [], "layout": {}}, base.stacked_bars(past, window))["data"]

    assert [line["y"][0] for line in lines] == [1, 3]
    assert np.isnan(lines[0]["y"][1])


def test_a_name_keeps_its_colour_whoever_stands_beside_it() -> None:
    window = Window(NOON, NOON + timedelta(hours=2))
    both = pd.DataFrame({"apollo": [1.0, 1.0], "zoominfo": [2.0, 3.0]}, index=index(2))

    alone = base.lines(both[["zoominfo"]], window)["data"][0]
    stacked = base.stacked_bars(both, window)["data"][1]
    p95 = base.lines(both[["apollo"]], window, names={"apollo": "p95"})["data"][0]

    assert alone["line"]["color"] == stacked["marker"]["color"]
    assert p95["line"]["color"] != alone["line"]["color"]


def test_an_hour_that_was_down_has_a_shape_as_well_as_a_colour() -> None:
    hours = pd.DataFrame(
        {"check": "database", "ts": index(3), "uptime": [1.0, 0.5, 0.0], "status": ["ok", "warning", "critical"]}
    )

    assert health.uptime(hours)["data"][0]["text"] == [["", "◆", "▲"]]


@pytest.mark.parametrize("build", [base.lines, base.stacked_bars])
def test_no_two_series_of_a_chart_have_one_colour_though_some_have_their_own(build: Callable[..., base.Figure]) -> None:
    index = pd.date_range("2026-03-02", periods=2, freq="1min", tz="UTC", name="ts")
    frame = pd.DataFrame(1.0, index=index, columns=["apollo", "manual", "zoominfo"])

    figure = build(frame, Window(index[0].to_pydatetime(), index[1].to_pydatetime()))

    colours = {trace["name"]: trace["marker"]["color"] for trace in figure["data"]}
    assert len(set(colours.values())) == 3
    assert (colours["apollo"], colours["zoominfo"]) == ("@0", "@1")
