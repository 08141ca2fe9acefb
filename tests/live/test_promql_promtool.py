"""The evaluator against Prometheus' own: dense series, evaluated half a scrape interval off the grid."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from lib.metrics.duckdb import DuckMetrics
from tests.metrics import promtool, worlds

pytestmark = pytest.mark.live

FIRST, STEP, COUNT = timedelta(minutes=11, milliseconds=7_500), timedelta(minutes=4, seconds=45), 6
SEEDS = (1, 2, 3)

_DENSE = ("req_total", 'req_total{route=~"/x|/y", code!="500"}')
_GAUGES = ("temp", 'temp{kind!~"odd|gappy"}')
_ANY_GAUGE = (
    "avg_over_time", "sum_over_time", "min_over_time", "max_over_time", "count_over_time", "last_over_time",
    "present_over_time", "stddev_over_time", "stdvar_over_time", "changes", "resets", "idelta", "deriv",
)  # fmt: skip
_AGGREGATIONS = ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")
EXPRESSIONS = [
    *(f"{name}({selector}[{length}])" for name in ("rate", "increase", "irate", "resets", "changes")
      for selector in _DENSE for length in ("1m", "5m")),
    *(f"{name}(temp[{length}])" for name in _ANY_GAUGE for length in ("20s", "3m")),
    *(f"{name}({selector})" for name in _AGGREGATIONS for selector in _GAUGES),
    *(f"{name} by (instance) (rate(req_total[2m]))" for name in _AGGREGATIONS),
    *(f"{name} without (code, instance) (req_total)" for name in _AGGREGATIONS),
    *(f"{name}(temp)" for name in ("abs", "ceil", "floor", "sqrt", "exp", "ln", "log2", "log10", "sgn", "round", "-")),
    # 0.47, not 0.5: a rank that falls on a bucket boundary is decided by the last bit of a sum
    *(f"histogram_quantile({q}, {buckets})" for q in ("0", "0.47", "0.95", "1", "-1", "2", "NaN")
      for buckets in ("lat_bucket", "sum by (le) (rate(lat_bucket[5m]))", "wobbly_bucket", "nolast_bucket")),
    *(f"{kind}({k}, {vector})" for kind in ("topk", "bottomk") for k in (0, 1, 3, 99)
      for vector in ("req_total", 'temp{kind!="odd"}')),
    *(f'quantile({q}, temp{{kind!="odd"}})' for q in ("-0.1", "0", "0.3", "0.99", "1", "1.1", "NaN")),
    *(f'quantile_over_time({q}, temp{{kind!="odd"}}[3m])' for q in ("-0.1", "0", "0.3", "0.99", "1", "1.1", "NaN")),
    *(f"temp {op} {number}" for op in ("+", "-", "*", "/", "%", "^", "==", "!=", "<", "<=", ">", ">=") for number in (0, 3)),
    *(f"2 {op} temp" for op in ("-", "/", "%", "^", "<", ">= bool", "!= bool")),
    *(f"temp {op} ignoring(kind) group_left info" for op in ("+", "/", ">", "> bool", "==")),
    *(f"req_total {op} req_total offset 1m" for op in ("-", "/", "==", "<= bool")),
    'sum by (route) (rate(req_total{code="500"}[5m])) / sum by (route) (rate(req_total[5m]))',
    'rate(req_total{code="500"}[5m]) / ignoring(code) rate(req_total{code="200"}[5m])',
    'rate(req_total{code="500"}[5m]) / on(route, instance) rate(req_total{code="200"}[5m])',
    "req_total * on(instance) group_left(version) info",
    "info * on(instance) group_right(version) req_total",
    "req_total * on(instance) group_left(nothing, code) info",
    "req_total + on(route) req_total",
    "req_total + on(instance) info",
    "info + on(instance) req_total",
    "sum by (instance) (req_total) and on(instance) (temp > 0)",
    "temp and on(instance) info", "temp unless on(instance) info", "temp or info", "info or on(instance) temp",
    "temp > 10 or temp < -10", "gone or vector(7)", "temp unless temp", "temp and gone",
    'gone', 'gone offset 10m', 'gone offset -2m', "last_over_time(gone[10m])", "absent(gone)", "absent(temp)",
    'absent(nosuch{a="b", c=~"d", e="f", e="g"})', 'absent_over_time(nosuch{a="b"}[5m])', "absent_over_time(gone[5m])",
    "absent(sum(nosuch))", "scalar(info)", 'scalar(info{instance="a:1"})', "vector(time())", "time() - timestamp(info)",
    "timestamp(temp)", "timestamp(temp + 1)", "timestamp(gone)", "predict_linear(temp[3m], 600)",
    "predict_linear(req_total[5m], -30)",
    "predict_linear(temp[3m] offset 2m, 600)", "predict_linear(temp[3m] offset -1m, 0)", "delta(temp[3m])", 'delta(temp{kind="flat"}[3m])',
    "clamp(temp, -5, 5)", "clamp(temp, 5, -5)", "clamp_min(temp, 0)", "clamp_max(temp, NaN)", "round(temp, 5)", "round(temp, 0.1)",
    'label_replace(req_total, "short", "$1-${1}", "route", "/(.)")', 'label_replace(temp, "kind", "", "kind", "plain")',
    'label_replace(temp, "kind", "same", "kind", ".*")', 'label_replace(temp, "x y", "a", "kind", ".*")',
    'label_replace(temp, "new", "$9$$", "kind", "(o)(d)d")', 'label_replace(temp, "instance", "i", "kind", "nomatch")',
    'label_join(temp, "both", "/", "instance", "kind", "nothing")', "count_values(\"v\", floor(temp / 20))",
    "count_values by (kind) (\"v\", info)", "sort(temp)", "sort_desc(temp)", "3 + 4 * 2 ^ 2 ^ 0.5 % 5", "-3 ^ 2", "1 > bool 2",
    '{__name__=~"info|gone"}', 'temp{kind=~"p.*|"}', 'temp{nothing=""}', 'temp{kind=~".+", instance!~"[ab]:."}',
    "sum(rate(req_total[5m])) by (instance) > on(instance) group_left sum by (instance) (info) * 0.5",
    "avg(temp) + 1", "sum(nosuch)", "count(nosuch) or vector(0)", "-temp", "-req_total offset 30s", "rate(req_total[5m] offset 2m)",
    'max by (nothing) (temp{kind="plain"})', "sum by (__name__) (info)", "temp == temp", "temp != temp", "temp != bool temp",
]  # fmt: skip


def _kind(message: str) -> str:
    """The message without the series that it names as examples: promtool picks them at random."""
    return message.partition("{")[0].partition(":")[0]


@pytest.fixture(params=SEEDS)
def world(request: pytest.FixtureRequest) -> worlds.World:
    return worlds.make(request.param)


@pytest.fixture
def store(tmp_path: Path, world: worlds.World) -> Iterator[DuckMetrics]:
    opened = DuckMetrics(tmp_path / "metrics.duckdb")
    opened.append(world.samples(), live=False)
    yield opened
    opened.close()


def test_every_answer_equals_promtools_within_a_billionth(
    tmp_path: Path, world: worlds.World, store: DuckMetrics
) -> None:
    moments = [FIRST + STEP * n for n in range(COUNT)]
    theirs = promtool.ask(promtool.tool(), tmp_path, world, EXPRESSIONS, moments)

    ours = [answer for text in EXPRESSIONS for answer in promtool.ours(store, text, moments)]

    wrong = promtool.wrong(EXPRESSIONS, moments, theirs, ours)
    assert not wrong, f"{len(wrong)} of {len(theirs)} differ:\n" + "\n".join(wrong[:20])
    refusals = [(a, b) for a, b in zip(theirs, ours, strict=True) if isinstance(a, str) and isinstance(b, str)]
    assert [(a, b) for a, b in refusals if _kind(a) != _kind(b)] == []
    assert sum(1 for answer in theirs if isinstance(answer, dict) and answer) > len(theirs) // 2
