"""A chart of a rule shows what the rule fired on, however short it was and however long the range."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lib.errors import QueryError
from lib.metrics.base import epoch_ms
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Samples
from lib.signals import rule_history, rulebook
from lib.signals.looks import MOST_VALUES, looks
from lib.stores import Stores
from lib.window import DAY, Window
from tests.seed import empty_stores

END = datetime(2026, 3, 2, 12, tzinfo=UTC)
EACH = timedelta(seconds=15)
PEAK = END - timedelta(hours=3, minutes=17)
NEAREST: dict[str, Callable[[float], float]] = {
    ">": lambda value: value, ">=": lambda value: value, "": lambda value: value, "<": lambda value: -value,
    "<=": lambda value: -value, "==": lambda value: -abs(value - 40), "!=": lambda value: abs(value - 40),
}  # fmt: skip


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """A day of three queues: one with a peak of a minute, one that is empty for a minute, one that moves up and down."""
    count = int(DAY / EACH)
    ts_ms = epoch_ms(END) - 15_000 * np.arange(count, dtype=np.int64)[::-1]
    at_peak = (ts_ms >= epoch_ms(PEAK)) & (ts_ms < epoch_ms(PEAK) + 60_000)
    moving = np.random.default_rng(5).uniform(0, 90, count)
    columns = {"high": np.where(at_peak, 5000.0, 100.0), "low": np.where(at_peak, 0.0, 100.0), "moving": moving}
    labels = tuple({"__name__": "queue_size", "queue_name": name} for name in columns)
    series = np.repeat(np.arange(len(labels), dtype=np.int32), count)
    with empty_stores(tmp_path_factory.mktemp("peak")) as opened:
        assert isinstance(opened.metrics, DuckMetrics)
        values = np.concatenate(list(columns.values()))
        opened.metrics.append(Samples(labels, series, np.tile(ts_ms, len(labels)), values), live=False)
        yield opened


@pytest.mark.parametrize("length", [timedelta(hours=5), DAY])
def test_a_peak_of_a_minute_is_in_the_chart_of_a_rule_and_in_that_of_a_draft(stores: Stores, length: timedelta) -> None:
    window = Window.last(length, END)

    of_rule = rulebook.rule_series(stores, window, "QueueBacklog")
    draft = rulebook.rule_measured(stores, window, expression="queue_size", operator="<", limit=1.0)

    assert of_rule["queue_name=high"].max() == 5000
    assert next(iter(of_rule.columns)) == "queue_name=high", "the worst is the first"
    assert draft["frame"]["queue_name=low"].min() == 0
    assert next(iter(draft["frame"].columns)) == "queue_name=low"
    assert (draft["look_s"], draft["series"]) == (15, 3)


@pytest.mark.parametrize("operator", NEAREST)
def test_each_point_is_the_look_of_its_step_that_was_nearest_to_firing(stores: Stores, operator: str) -> None:
    window = Window.last(DAY, END)
    found = looks(stores, window, 'queue_size{queue_name="moving"}', operator, math.nan if operator == "" else 40.0)
    every = stores.metrics.range('queue_size{queue_name="moving"}', Window(found.index[0], END), EACH)
    known = dict(zip(every.ts_ms.tolist(), every.values[0].tolist(), strict=True))
    per_step = found.step // EACH

    assert per_step > 1
    for end, value in zip(found.index, found.values[0], strict=True):
        step = [at for back in range(per_step) if (at := epoch_ms(end) - 15_000 * back) in known]
        numbers = [known[at] for at in step if not math.isnan(known[at])]
        assert value == max(numbers, key=NEAREST[operator]) if numbers else math.isnan(value)
    assert np.isfinite(found.values).sum() >= len(found.index) - 1


def test_a_step_without_a_sample_is_a_gap_and_nothing_is_no_series(stores: Stores) -> None:
    week = looks(stores, Window.last(7 * DAY, END), "queue_size", ">", 1000)
    none = looks(stores, Window.last(DAY, END), "absent_metric")

    assert np.isnan(week.values[:, 0]).all() and not np.isnan(week.values[:, -1]).any()
    assert (none.order, none.values.shape) == ([], (0, len(none.index)))


def test_a_moment_with_an_error_between_two_points_leaves_one_look_a_step(stores: Stores) -> None:
    assert isinstance(stores.metrics, DuckMetrics)
    labels = tuple({"__name__": "twice", "side": side} for side in "ab")
    at = np.full(2, epoch_ms(END - timedelta(hours=2)) + 30_000, dtype=np.int64)
    samples = Samples(labels, np.arange(2, dtype=np.int32), at, np.ones(2))
    stores.metrics.append(samples, live=False)  # both sides are there for five minutes, between two points of a day
    expression = 'queue_size{queue_name="high"} * on () group_left () twice or queue_size{queue_name="high"}'

    with pytest.raises(QueryError):
        stores.metrics.instant(expression, END - timedelta(hours=2) + timedelta(minutes=1))
    found = looks(stores, Window.last(DAY, END), expression, ">", 1.0)

    assert (found.look, len(found.labels)) == (found.step, 1)


def test_how_often_a_condition_held_sees_a_minute_of_a_week(stores: Stores) -> None:
    week = Window.last(7 * DAY, END + timedelta(days=6))

    found = rule_history.rule_share(stores, week, expression="queue_size > 1000")

    assert found["look_s"] == 60
    assert found["share"] is not None and 0 < found["share"] < 5 / (7 * 24 * 60)


def test_many_series_are_looked_at_less_often_so_that_no_store_is_asked_for_millions(stores: Stores) -> None:
    assert isinstance(stores.metrics, DuckMetrics)
    labels = tuple({"__name__": "many", "n": str(place)} for place in range(60))
    now = np.full(60, epoch_ms(END), dtype=np.int64)
    stores.metrics.append(Samples(labels, np.arange(60, dtype=np.int32), now, np.ones(60)), live=False)

    one, all_of_them = (looks(stores, Window.last(DAY, END), expression) for expression in ('many{n="7"}', "many"))

    assert one.look == EACH < all_of_them.look < all_of_them.step
    assert 60 * (DAY / all_of_them.look) <= MOST_VALUES
