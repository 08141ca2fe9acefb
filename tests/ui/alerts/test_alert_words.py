"""An alert in words: scope, value against limit, how long, flags, and links that nobody else could have written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.ui.alerts import words

NOW = datetime(2026, 3, 27, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LIMIT = {"operator": ">", "value": 0.05, "unit": "ratio"}


def alert(**fields: Any) -> Any:
    told: dict[str, Any] = {
        "state": "firing", "active_at": NOW - 20 * MINUTE, "fired_at": NOW - 15 * MINUTE, "resolved_at": pd.NaT,
        "keep_since": pd.NaT, "acked_by": "", "unobserved_s": 0.0, "origin": "engine", "labels": {}, "annotations": {},
    }  # fmt: skip
    return SimpleNamespace(**(told | fields))


@pytest.mark.parametrize(
    ("value", "limit", "factor", "said"),
    [
        (0.123, LIMIT, 1.0, "12.3 %, fires at > 5 %"),
        (6.2, {"operator": ">=", "value": 5000.0, "unit": "ms"}, 1000.0, "6\u202f200 ms, fires at ≥ 5\u202f000 ms"),
        (None, LIMIT, 1.0, "–, fires at > 5 %"),
        (float("nan"), {}, 1.0, "–"),
        (17.0, {}, 1.0, "17"),
        (4000.0, {"operator": ">", "value": 900.0, "unit": "s"}, 1.0, "1 h 6 min, fires at > 15 min"),
    ],
)
def test_a_value_stands_beside_its_limit_in_the_unit_of_the_pages(
    value: float | None, limit: dict[str, Any], factor: float, said: str
) -> None:
    assert words.against(value, limit, factor) == said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "firing 15 min"),
        ({"state": "pending", "active_at": NOW - 2 * MINUTE}, "pending 2 min of 5 min"),
        ({"state": "resolved", "resolved_at": NOW - 3 * MINUTE}, "resolved 3 min ago"),
    ],
)
def test_how_long_it_is_what_it_is(fields: dict[str, Any], said: str) -> None:
    assert words.since(alert(**fields), NOW, 300) == said


def test_what_all_alerts_of_a_rule_share_tells_none_from_another() -> None:
    labels = {"alertname": "Q", "severity": "warning", "job": "crm", "queue_name": "leads"}

    assert words.scope(labels, {"job": "crm"}) == "queue_name=leads"
    assert words.scope({"alertname": "Q", "severity": "warning"}) == ""


def test_flags_say_what_else_is_to_be_known() -> None:
    found = words.flags(
        alert(acked_by="anna", keep_since=NOW, unobserved_s=120.0, origin="api", labels={"namespace": "test"})
    )

    assert [said for _, said in found] == ["acknowledged by anna", "recovering", "unobserved 2 min", "from api", "TEST"]
    assert words.flags(alert()) == []


@pytest.mark.parametrize(
    ("origin", "address", "led_to"),
    [
        ("engine", "https://wiki.example.com/a", "https://wiki.example.com/a"),
        ("engine", "javascript:alert(1)", ""),
        ("engine", "docs/runbooks.md#a", ""),
        ("api", "https://evil.example/a", ""),
        ("alertmanager", "https://evil.example/a", ""),
    ],
)
def test_only_an_own_rule_leads_to_a_runbook_and_only_to_a_web_address(origin: str, address: str, led_to: str) -> None:
    assert words.runbook(alert(origin=origin, annotations={"runbook_url": address})) == led_to


@pytest.mark.parametrize(
    ("annotations", "page"),
    [({"dashboard": "/health"}, "health"), ({"dashboard": "https://evil.example"}, "errors"), ({}, "errors")],
)
def test_a_page_shows_more_where_the_rule_or_its_topic_names_one(annotations: dict[str, str], page: str) -> None:
    assert words.page_of("HighErrorRate", annotations) == page


@given(st.text())
def test_whatever_the_severity_is_called_it_has_a_shape_and_a_word(severity: str) -> None:
    assert words.badge(severity).startswith((":red-badge[▲ ", ":orange-badge[◆ ", ":blue-badge[● "))
