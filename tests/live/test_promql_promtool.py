"""The evaluator against Prometheus' own: dense series, evaluated half a scrape interval off the grid."""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lib.errors import QueryError
from lib.metrics.base import Result
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.promql.values import key_of
from lib.window import Window
from tests.metrics import worlds

pytestmark = pytest.mark.live

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, STEP, COUNT = timedelta(minutes=11, milliseconds=7_500), timedelta(minutes=4, seconds=45), 6
SEEDS = (1, 2, 3)
Answer = dict[tuple[tuple[str, str], ...], float] | str

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
    *(f"quantile({q}, temp)" for q in ("-0.1", "0", "0.3", "0.99", "1", "1.1", "NaN")),
    *(f"quantile_over_time({q}, temp[3m])" for q in ("-0.1", "0", "0.3", "0.99", "1", "1.1", "NaN")),
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
    "predict_linear(req_total[5m], -30)", "delta(temp[3m])", 'delta(temp{kind="flat"}[3m])',
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


def _eval_time(moment: timedelta) -> str:
    return f"{moment // timedelta(milliseconds=1)}ms"


def _promtool_text(world: worlds.World, moments: list[timedelta]) -> str:
    wrong = [{"labels": 'never{never="never"}', "value": 12345}]
    tests = [
        {"expr": text, "eval_time": _eval_time(moment), "exp_samples": wrong}
        for text in EXPRESSIONS
        for moment in moments
    ]
    group = {"interval": "15s", "input_series": world.promtool_series(), "promql_expr_test": tests}
    return json.dumps({"evaluation_interval": "15s", "tests": [group]})


_FAILED = re.compile(
    r'^    expr: "(?P<expr>(?:[^"\\]|\\.)*)", time: (?P<time>\S+?),(?: err: (?P<error>[^\n]*)|\s+exp: [^\n]*\n\s+got: (?P<got>[^\n]*))',
    re.MULTILINE,
)
_SAMPLE = re.compile(r"(?:\{(?P<labels>[^}]*)\} )(?P<value>[^\s,]+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def _read(found: re.Match[str]) -> Answer:
    if found["error"] is not None:
        return str(found["error"])
    if found["got"] == "nil":
        return {}
    return {key_of(dict(_LABEL.findall(s["labels"]))): float(s["value"]) for s in _SAMPLE.finditer(found["got"])}


def _promtool(folder: Path, world: worlds.World, moments: list[timedelta]) -> list[Answer]:
    """Prometheus' answers in the order of EXPRESSIONS × moments."""
    (folder / "test.yml").write_text(_promtool_text(world, moments))
    done = subprocess.run(
        ["promtool", "test", "rules", str(folder / "test.yml")], check=False, capture_output=True, text=True, timeout=60
    )
    answers = [_read(found) for found in _FAILED.finditer(done.stdout + done.stderr)]
    assert len(answers) == len(EXPRESSIONS) * len(moments), (done.stdout + done.stderr)[:2000]
    return answers


def _column(result: Result, column: int) -> Answer:
    rows = [row for row in range(len(result.labels)) if result.present[row, column]]
    return {key_of(dict(result.labels[row])): float(result.values[row, column]) for row in rows}


def _ours(store: DuckMetrics, text: str, moments: list[timedelta]) -> list[Answer]:
    """One range question, and an instant one per moment where the range question fails at some step."""
    try:
        result = store.range(text, Window(EPOCH + moments[0], EPOCH + moments[-1]), STEP)
    except QueryError:
        return [_instant(store, text, moment) for moment in moments]
    return [_column(result, column) for column in range(len(moments))]


def _instant(store: DuckMetrics, text: str, moment: timedelta) -> Answer:
    try:
        return _column(store.instant(text, EPOCH + moment), 0)
    except QueryError as error:
        return str(error)


def _same(theirs: Answer, ours: Answer) -> bool:
    if isinstance(theirs, str) or isinstance(ours, str):
        return isinstance(theirs, str) and isinstance(ours, str) and _kind(theirs) == _kind(ours)
    return theirs.keys() == ours.keys() and all(_close(value, ours[key]) for key, value in theirs.items())


def _kind(message: str) -> str:
    """The message without the series that it names as examples: promtool picks them at random."""
    return message.partition("{")[0].partition(":")[0]


def _close(theirs: float, ours: float) -> bool:
    if math.isnan(theirs) or math.isnan(ours):
        return math.isnan(theirs) and math.isnan(ours)
    return math.isclose(theirs, ours, rel_tol=1e-9, abs_tol=1e-11)


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
    theirs = _promtool(tmp_path, world, moments)

    ours = [answer for text in EXPRESSIONS for answer in _ours(store, text, moments)]

    asked = [(text, moment) for text in EXPRESSIONS for moment in moments]
    wrong = [
        f"{text} at {moment}\n  promtool: {expected}\n  ours:     {got}"
        for (text, moment), expected, got in zip(asked, theirs, ours, strict=True)
        if not _same(expected, got)
    ]
    assert not wrong, f"{len(wrong)} of {len(asked)} differ:\n" + "\n".join(wrong[:20])
    assert sum(1 for answer in theirs if isinstance(answer, dict) and answer) > len(asked) // 2
