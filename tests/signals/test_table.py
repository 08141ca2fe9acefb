"""The table of signals is complete, and every signal has an answer on stores without a single record."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pandas as pd
import pytest

from lib.signals import (
    SIGNALS,
    capacity,
    errors,
    explore,
    health,
    leads,
    logs,
    overview,
    performance,
    queues,
    security,
    system,
)  # fmt: skip
from lib.stores import Stores
from tests.seed import HOUR, QUIET, WHOLE

TOPICS = (overview, errors, performance, queues, leads, system, health, logs, explore, capacity, security)
PARAMETERS: dict[str, dict[str, str]] = {
    "rule_limit": {"rule": "QueueBacklog"},
    "rule_series": {"rule": "QueueBacklog"},
    "rule_measured": {"expression": "queue_size"},
    "rule_share": {"expression": "queue_size > 1000"},
    "rule_spread": {"expression": "queue_size"},
    "metric_seen": {"metric": "up"},
    "field_seen": {"field": "level"},
    "log_top_values": {"field": "source"},
    "log_record": {"record_id": "r0"},
    "log_around": {"record_id": "r0"},
    "log_trace": {"field": "lead_id", "value": "L1"},
    "explore_range": {"expression": "up"},
    "explore_instant": {"expression": "up"},
    "metric_labels": {"metric": "up"},
    "label_values": {"metric": "up", "label": "instance"},
    "route_latency": {"method": "GET", "route": "/api/leads"},
}
KNOWN_WITHOUT_DATA = {
    "rule_limit",
    "rule_share",
    "rule_spread",
    "verdicts",
    "explore_range",
    "rule_measured",
    "watched",
}
"""These say something without data: the limit of a rule, that there is no data, the step of a question, how far the
store reaches back, and that nothing was probed."""


def ask(name: str, stores: Stores, window: Any) -> Any:
    return SIGNALS[name](stores, window, **PARAMETERS.get(name, {}))


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.__name__)
def test_every_public_function_of_a_topic_is_in_the_table(topic: Any) -> None:
    public = {
        name
        for name, function in inspect.getmembers(topic, inspect.isfunction)
        if function.__module__ == topic.__name__ and not name.startswith("_")
    }

    assert public
    assert public - set(SIGNALS) == set()


def test_every_signal_says_what_it_answers() -> None:
    silent = [name for name, signal in SIGNALS.items() if len(signal.help) < 20 or signal.name != name]

    assert silent == []


@pytest.mark.parametrize("name", SIGNALS)
def test_no_signal_invents_a_number_on_empty_stores(name: str, empty: Stores) -> None:
    answer = ask(name, empty, HOUR)

    if name not in KNOWN_WITHOUT_DATA:
        assert numbers(answer) == []


@pytest.mark.parametrize("name", SIGNALS)
def test_an_answer_has_the_same_columns_whether_quiet_or_busy(name: str, busy: Stores, empty: Stores) -> None:
    full, none = ask(name, busy, WHOLE), ask(name, empty, WHOLE)

    assert type(full) is type(none)
    if isinstance(full, pd.DataFrame):
        # A frame over time gains a column per label; a table keeps its columns.
        assert set(none.columns) <= set(full.columns)
        assert full.index.name != "ts" or str(full.index.dtype) == "datetime64[ns, UTC]"
    else:
        assert set(full) == set(none)


@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_answers_where_nothing_was_collected_any_more(name: str, busy: Stores) -> None:
    answer = ask(name, busy, QUIET)

    assert isinstance(answer, pd.DataFrame | dict)


def numbers(answer: Any) -> list[Any]:
    """Every known number in an answer; bounds of a band are not measured."""
    if isinstance(answer, pd.DataFrame):
        answer = {name: list(answer[name]) for name in answer.columns if name not in ("low_ms", "high_ms")}
    flat = [item for part in answer.values() for item in (part if isinstance(part, list) else [part])]
    return [item for item in flat if isinstance(item, int | float) and item is not False and not math.isnan(item)]
