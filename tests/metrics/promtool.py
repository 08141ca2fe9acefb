"""promtool as an oracle: questions go in as tests that must fail, answers are read from its words about them."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lib.errors import QueryError
from lib.metrics.base import MetricStore, Result
from lib.metrics.promql.values import Signature, key_of
from lib.window import Window
from tests.metrics.worlds import INTERVAL_MS, World

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REL, ABS = 1e-9, 1e-11
_GO_OVERFLOWS = 2.0**1023 * math.sqrt(2) * (1 - REL)
LONGEST_S = 900
Answer = dict[Signature, float] | str
"""Values by label set, or the words of a refusal."""

_FAILED = re.compile(
    r'^    expr: "(?P<expr>(?:[^"\\]|\\.)*)", time: (?P<time>\S+?),(?: err: (?P<error>[^\n]*)|\s+exp: [^\n]*\n\s+got: (?P<got>[^\n]*))',
    re.MULTILINE,
)
_SAMPLE = re.compile(
    r'(?P<name>[a-zA-Z_:][\w:]*)?(?:\{(?P<labels>(?:[^"}]|"(?:[^"\\]|\\.)*")*)\}|(?<=\w)) (?P<value>[^\s,]+)'
)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def tool() -> str:
    """Where promtool is; its absence is a failure, not a skip."""
    found = shutil.which("promtool")
    assert found, "promtool is missing: install it with `apt-get install prometheus`"
    return found


def version(program: str) -> str:
    """The version that the program says it is, such as "2.42.0+ds"."""
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True, timeout=20)
    found = re.search(r"version (\S+)", said.stdout + said.stderr)
    assert found, said.stdout
    return found[1].rstrip(",")


def ask(program: str, folder: Path, world: World, texts: Sequence[str], moments: Sequence[timedelta]) -> list[Answer]:
    """Prometheus' answers in the order of texts × moments."""
    file = folder / "test.yml"
    file.write_text(_questions(world, texts, moments), encoding="utf-8")
    done = subprocess.run(
        [program, "test", "rules", str(file)], check=False, capture_output=True, text=True, timeout=LONGEST_S
    )
    answers = [_read(found) for found in _FAILED.finditer(done.stdout + done.stderr)]
    assert len(answers) == len(texts) * len(moments) + 1, (done.stdout + done.stderr)[:2000]
    return answers[:-1]


def _questions(world: World, texts: Sequence[str], moments: Sequence[timedelta]) -> str:
    wrong = [{"labels": 'never{never="never"}', "value": 12345}]
    tests = [
        {"expr": text, "eval_time": f"{moment // timedelta(milliseconds=1)}ms", "exp_samples": wrong}
        for text in texts
        for moment in moments
    ]
    # It loads samples only up to the last question, and a negative offset looks further.
    tests.append({"expr": "vector(1)", "eval_time": f"{world.end_ms}ms", "exp_samples": wrong})
    interval = f"{INTERVAL_MS}ms"
    group = {"interval": interval, "input_series": world.promtool_series(), "promql_expr_test": tests}
    return json.dumps({"evaluation_interval": interval, "tests": [group]})


def _read(found: re.Match[str]) -> Answer:
    if found["error"] is not None:
        return str(found["error"])
    if found["got"] == "nil":
        return {}
    return {_labels(sample): float(sample["value"]) for sample in _SAMPLE.finditer(found["got"])}


def _labels(sample: re.Match[str]) -> Signature:
    named = {"__name__": sample["name"]} if sample["name"] else {}
    return key_of(named | {name: json.loads(f'"{value}"') for name, value in _LABEL.findall(sample["labels"] or "")})


def ours(store: MetricStore, text: str, moments: Sequence[timedelta]) -> list[Answer]:
    """One range question over evenly spaced moments, and an instant one each where the range question is refused."""
    step = moments[1] - moments[0]
    try:
        result = store.range(text, Window(EPOCH + moments[0], EPOCH + moments[-1]), step)
    except QueryError:
        return [_instant(store, text, moment) for moment in moments]
    return [_column(result, column) for column in range(len(moments))]


def _instant(store: MetricStore, text: str, moment: timedelta) -> Answer:
    try:
        return _column(store.instant(text, EPOCH + moment), 0)
    except QueryError as error:
        return str(error)


def _column(result: Result, column: int) -> Answer:
    rows = [row for row in range(len(result.labels)) if result.present[row, column]]
    return {key_of(dict(result.labels[row])): float(result.values[row, column]) for row in rows}


def close(theirs: float, got: float) -> bool:
    """Equal within a billionth; NaN equals NaN. The absolute bound is for sums that cancel to nothing.

    Go's exp() on amd64 overflows half a power of two early (src/math/exp_amd64.s): there our number is the right one.
    """
    if math.isnan(theirs) or math.isnan(got):
        return math.isnan(theirs) and math.isnan(got)
    if math.isinf(theirs) and theirs > 0:
        return got >= _GO_OVERFLOWS
    return math.isclose(theirs, got, rel_tol=REL, abs_tol=ABS)


def same(theirs: Answer, got: Answer) -> bool:
    """Both refused, or the same series with the same values."""
    if isinstance(theirs, str) or isinstance(got, str):
        return isinstance(theirs, str) and isinstance(got, str)
    return theirs.keys() == got.keys() and all(close(value, got[key]) for key, value in theirs.items())


def difference(theirs: Answer, got: Answer) -> str:
    """What differs, in a few lines."""
    if isinstance(theirs, str) or isinstance(got, str):
        return f"  theirs {str(theirs)[:300]}\n  ours   {str(got)[:300]}"
    keys = [key for key in theirs.keys() | got.keys() if not close(theirs.get(key, 1e300), got.get(key, -1e300))]
    lines = [f"  {dict(key)}: theirs {theirs.get(key)}, ours {got.get(key)}" for key in sorted(keys)[:3]]
    return "\n".join([f"  {len(keys)} of {len(theirs)} series", *lines])


def wrong(texts: Sequence[str], moments: Sequence[timedelta], theirs: list[Answer], got: list[Answer]) -> list[str]:
    """Every difference in words."""
    asked = [(text, moment) for text in texts for moment in moments]
    return [
        f"{text} at {moment}\n{difference(expected, answer)}"
        for (text, moment), expected, answer in zip(asked, theirs, got, strict=True)
        if not same(expected, answer)
    ]


def check_rules(file: Path) -> str:
    """What promtool says about a rule file; a refusal fails the test."""
    done = subprocess.run(
        [tool(), "check", "rules", str(file)], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
