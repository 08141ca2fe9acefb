from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from lib import notes
from lib.alerts.engine.asking import Asker, plan
from lib.alerts.engine.step import Data
from lib.alerts.rules import Rule
from lib.errors import QueryError, SourceUnavailable
from lib.metrics.base import Labels
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Samples
from tests.alerts.engine.world import T0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckMetrics]:
    opened = DuckMetrics(tmp_path / "metrics.duckdb")
    for name, value in (("a", 2000.0), ("b", 5.0), ("c", float("nan"))):
        write(opened, {"__name__": "m", "of": name}, value)
    yield opened
    opened.close()


def write(store: DuckMetrics, labels: Labels, value: float) -> None:
    import numpy as np

    ts_ms = round(T0.timestamp() * 1000) - 1000
    one = np.zeros(1, dtype=np.int32)
    store.append(Samples((labels,), one, np.array([ts_ms], dtype=np.int64), np.array([value])))


@pytest.mark.parametrize(
    ("expression", "holding"),
    [
        ("m > 1000", ["a"]), ("m < 1000", ["b"]), ("1000 < m", ["a"]), ("m != 5", ["a", "c"]), ("m == 5", ["b"]),
        ("m", ["a", "b", "c"]), ("m > bool 1000", ["a", "b", "c"]), ("m >= 5 and m < 3000", ["a", "b"]), ("m > +Inf", []),
    ],
)  # fmt: skip
def test_the_series_that_hold_are_those_that_the_expression_itself_gives(
    store: DuckMetrics, expression: str, holding: list[str]
) -> None:
    answer = Asker(store).ask(Rule("R", expression), T0, ever_seen=False)

    assert sorted(labels["of"] for labels in answer.labels) == holding
    result = store.instant(expression, T0)
    assert sorted(labels["of"] for labels in result.labels) == holding
    assert (answer.error, answer.doubtful, answer.data) == ("", "", Data.THERE)


def test_what_does_not_hold_is_known_where_the_rule_compares_with_a_number(store: DuckMetrics) -> None:
    compared = Asker(store).ask(Rule("R", "m > 1000"), T0, ever_seen=True)
    chosen = Asker(store).ask(Rule("R", "count by (of) (m > 1000) > 0"), T0, ever_seen=True)

    assert compared.others is not None
    assert sorted(labels["of"] for labels in compared.others) == ["b", "c"]
    assert chosen.others is None


@pytest.mark.parametrize(
    ("expression", "seen", "data", "missing"),
    [
        ("none > 1", False, Data.NEVER, "none"), ("none > 1", True, Data.GONE, "none"), ('m{of="z"} > 1', True, Data.THERE, ""),
        ("m / none > 1", False, Data.NEVER, "none"), ("absent(none)", False, Data.THERE, ""), ("vector(0) > 1", False, Data.THERE, ""),
        ("rate(m[5m]) > 1", True, Data.THERE, ""),
    ],
)  # fmt: skip
def test_an_empty_answer_is_told_apart_from_a_metric_without_data(
    store: DuckMetrics, expression: str, seen: bool, data: Data, missing: str
) -> None:
    answer = Asker(store).ask(Rule("R", expression), T0, ever_seen=seen)

    assert (answer.data, answer.missing) == (data, missing)


def test_a_rule_with_an_offset_asks_for_a_moment_before(store: DuckMetrics) -> None:
    late = T0 + timedelta(minutes=8)

    assert not Asker(store).ask(Rule("R", "m > 1000"), late, ever_seen=True).labels
    assert Asker(store).ask(Rule("R", "m > 1000", offset_s=300), late, ever_seen=True).labels


@pytest.mark.parametrize("error", [SourceUnavailable("no answer", "prometheus"), QueryError("not PromQL")])
def test_no_answer_is_an_error_of_the_rule(
    store: DuckMetrics, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(store, "instant", fails)

    assert Asker(store).ask(Rule("R", "m > 1"), T0, ever_seen=True).error == str(error)


def test_what_the_store_doubts_makes_the_answer_doubtful_and_what_it_only_remarks_does_not(
    store: DuckMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = store.instant

    def doubting(expression: str, at: object) -> object:
        notes.say("prometheus", "a part did not answer")
        notes.say("prometheus", "might not be a counter", doubtful=False)
        return ask(expression, at)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "instant", doubting)

    assert Asker(store).ask(Rule("R", "m > 1000"), T0, ever_seen=True).doubtful == "a part did not answer"


def test_a_plan_names_every_metric_that_must_have_data() -> None:
    assert plan('sum(rate({__name__="a"}[5m])) / scalar(b) > 1').metrics == ("a", "b")
