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
        "keep_since": pd.NaT, "acked_by": "", "unobserved_s": 0.0, "origin": "engine", "name": "Q", "labels": {}, "annotations": {},
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


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"labels": {"alertname": "Q", "queue_name": "leads"}, "annotations": {"summary": "Leads wait"}}, "queue_name=leads"),
        ({"labels": {"alertname": "E"}, "annotations": {"summary": "12 % of requests fail"}}, "12 % of requests fail"),
        ({"labels": {"alertname": "N", "job": "halo-ops", "instance": "a:1"}, "annotations": {"summary": "2 new errors"}}, "2 new errors"),
        ({"labels": {"alertname": "D", "job": "halo-ops", "instance": "a:1", "mount": "/data"}}, "mount=/data"),
        ({"origin": "api", "labels": {"alertname": "U", "key": "k", "severity": "warning", "exception": "KeyError"},
          "annotations": {"description": "KeyError in a.py\nTraceback"}}, "KeyError in a.py"),
        ({"origin": "api", "labels": {"alertname": "U", "key": "k", "severity": "warning", "exception": "KeyError"}}, "exception=KeyError"),
        ({"origin": "api", "labels": {"alertname": "U", "key": "k"}}, "key=k"),
        ({"name": "NoData", "labels": {"alertname": "NoData", "group": "g", "rule": "Backlog", "rule_severity": "x"}}, "rule=Backlog"),
        ({"labels": {"alertname": "U"}}, ""),
    ],
)  # fmt: skip
def test_an_alert_says_what_it_is_about_in_words_where_its_labels_are_none(fields: dict[str, Any], said: str) -> None:
    assert words.about(alert(**fields)) == said


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("silenced by Nadia until 2026-03-27 20:46:02 UTC: known", "silenced by Nadia until 27 Mar 21:46:02: known"),
        ("wait until 12:05:00 UTC", "wait until 13:05:00"),
        ("wait until 00:03:00 UTC", "wait until 01:03:00"),
        ("at 99:99:99 UTC", "at 99:99:99 UTC"),
        ("accepted with 200", "accepted with 200"),
    ],
)
def test_times_in_a_story_stand_on_the_viewers_clock(said: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words.clock, "display_zone", lambda: "Europe/Berlin")

    assert words.on_clock(said, NOW) == shown


def test_flags_say_what_else_is_to_be_known() -> None:
    found = words.flags(
        alert(acked_by="anna", keep_since=NOW, unobserved_s=120.0, origin="api", labels={"namespace": "test"})
    )

    assert [said for _, said in found] == [
        "acknowledged by anna",
        "recovering",
        "unobserved 2 min",
        "told by a program",
        "TEST",
    ]
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
    assert words.runbook("Q", alert(origin=origin, annotations={"runbook_url": address})) == led_to


def test_an_exception_that_our_own_library_pushed_leads_to_our_own_runbook_and_nowhere_else() -> None:
    pushed = alert(origin="api", name="UnhandledException", annotations={"runbook_url": "https://evil.example/a"})

    assert words.runbook("UnhandledException", pushed) == "/runbooks#unhandledexception"


@pytest.mark.parametrize(
    ("annotations", "page"),
    [({"dashboard": "/health"}, "health"), ({"dashboard": "https://evil.example"}, "errors"), ({}, "errors")],
)
def test_a_page_shows_more_where_the_rule_or_its_topic_names_one(annotations: dict[str, str], page: str) -> None:
    assert words.page_of("HighErrorRate", annotations) == page


@given(st.text())
def test_whatever_the_severity_is_called_it_has_a_shape_and_a_word(severity: str) -> None:
    assert words.badge(severity).startswith((":red-badge[▲ ", ":orange-badge[◆ ", ":blue-badge[● "))
