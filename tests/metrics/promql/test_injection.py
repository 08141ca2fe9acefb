"""A13: what a person types or a label holds can ask for nothing that was not meant (ASVS 1.2.4, 1.2.9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import promql_parser
import pytest

from lib.errors import QueryError
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Samples
from lib.metrics.promql import parse as checked
from lib.metrics.promql.functions import SUPPORTED
from lib.metrics.promql.grammar import parsed
from lib.metrics.promql.text import selector
from lib.window import Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOSTILE = (
    '"} or up{x="', '" or vector(1) or up{job="', 'a", job="b', "a\\", '\\"', "\\", "'", "`", '`} or up{x=`', "a\nb", "# up",
    "a\r\n", "\x00", "\x1b[2J", "{{ $value }}", "$__range", ".*", "a|b", "(", "é", "\u202e", "' OR 1=1 --", "x" * 2000, "%s", "{}",
)  # fmt: skip
UNSUPPORTED = (
    "holt_winters(x[5m], 0.5, 0.5)", "double_exponential_smoothing(x[5m], 0.5, 0.5)", "day_of_week(x)", "days_in_month()",
    "hour()", "minute()", "year()", "histogram_count(x)", "histogram_sum(x)", "histogram_fraction(0, 1, x)", "histogram_avg(x)",
    "mad_over_time(x[5m])", "acos(x)", "sinh(x)", "deg(x)", "pi()", "sort_by_label(x, \"a\")", "info(x)", "limit_ratio(0.5, x)",
    "sum_over_time(rate(x[1m])[5m:30s])", "x @ start()", "x[5m] @ end()", "max_over_time((x > 1)[1h:])", "x atan2 x",
)  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_label_value_finds_its_own_series_and_no_other(store: DuckMetrics, value: str) -> None:
    labels = tuple({"__name__": "up", "job": job} for job in (*HOSTILE, "a", "b", "other"))
    count = len(labels)
    store.append(Samples(labels, np.arange(count, dtype=np.int32), np.full(count, 1000), np.arange(float(count))))

    found = store.instant(selector("up", job=value), EPOCH + timedelta(seconds=2))

    assert [series["job"] for series in found.labels] == [value]
    assert store.label_values("job", selector("up", job=value)) == [value]


def test_a_kind_of_node_is_refused_until_it_is_allowed() -> None:
    class NewExpr:
        """What a later parser may give."""

    kinds = {kind.__name__ for kind in promql_parser.Expr.__subclasses__()}

    assert kinds == set(checked._CHECKS)
    with pytest.raises(QueryError, match="NewExpr is not supported"):
        checked._check(NewExpr(), "x")


def test_a_function_is_refused_until_it_is_allowed() -> None:
    call: Any = type("Call", (), {"func": SimpleNamespace(name="read_csv"), "args": []})()

    with pytest.raises(QueryError, match=r"read_csv\(\) is not supported"):
        checked._check(call, "read_csv(x)")


@pytest.mark.parametrize("text", UNSUPPORTED)
def test_what_is_not_allowed_is_refused_wherever_it_hides(text: str) -> None:
    for around in ("{}", "sum({})", "1 + ({})", "topk(1, {})", "-({})", "vector(scalar({}))"):
        with pytest.raises(QueryError):
            checked.parse(around.format(text))


def test_every_allowed_function_is_one_that_the_parser_knows() -> None:
    unknown = [name for name in SUPPORTED if "unknown function" in _refusal(f"{name}()").lower()]

    assert unknown == []


def _refusal(text: str) -> str:
    try:
        parsed(text)
    except ValueError as error:
        return str(error)
    return ""


def test_a_range_of_92_days_is_the_longest(store: DuckMetrics) -> None:
    assert store.instant("rate(x[92d])", EPOCH).labels == ()
    for text in ("rate(x[93d])", "rate(x[92d1ms])", "sum(increase(x[10y]))", "absent_over_time(x[2209h])"):
        with pytest.raises(QueryError, match="longer than 92 days"):
            store.instant(text, EPOCH)


def test_a_question_over_more_than_92_days_cannot_be_put() -> None:
    with pytest.raises(QueryError, match="longer than 92 days"):
        Window(EPOCH, EPOCH + timedelta(days=93, seconds=1))


def test_eleven_thousand_points_are_the_most(store: DuckMetrics) -> None:
    step = timedelta(seconds=15)

    assert store.range("x", Window(EPOCH, EPOCH + 10_999 * step), step).ts_ms.size == 11_000
    with pytest.raises(QueryError, match="11,000"):
        store.range("x", Window(EPOCH, EPOCH + 11_000 * step), step)


@pytest.mark.parametrize("step", [timedelta(0), timedelta(seconds=-15), timedelta(microseconds=999)])
def test_a_step_of_nothing_is_refused(store: DuckMetrics, step: timedelta) -> None:
    with pytest.raises(QueryError, match="step"):
        store.range("x", Window(EPOCH, EPOCH + timedelta(hours=1)), step)


def test_many_series_at_many_points_are_refused_before_they_fill_the_memory(store: DuckMetrics) -> None:
    count = 2_000
    labels = tuple({"__name__": "x", "n": str(n)} for n in range(count))
    store.append(Samples(labels, np.arange(count, dtype=np.int32), np.full(count, 1000), np.zeros(count)))
    window = Window(EPOCH, EPOCH + timedelta(seconds=10_999))

    with pytest.raises(QueryError, match="2000 series at 11000 points"):
        store.range("x", window, timedelta(seconds=1))
