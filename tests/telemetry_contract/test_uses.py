"""Who reads what is found by listening, and the contract knows everything that is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lib.alerts.rules import load_rules
from lib.checklists import evidence
from lib.contract import panels, uses
from lib.contract.checks import heard_by_checks
from lib.contract.listening import Metrics, series_in
from lib.contract.logs import COMMON, SHAPES
from lib.contract.metrics import BY_SERIES, METRICS
from lib.metrics.base import Result
from lib.signals import SIGNALS
from lib.ui.pages import PAGES
from tests.live.asked import Listening, listen
from tests.seed import HOUR, RULES, WHOLE

SHOWN = panels.shown_by({page.title: page.path for page in PAGES})
HEARD = uses.heard(SIGNALS, load_rules(RULES))
CHECKS = heard_by_checks(load_rules(RULES))
USES = uses.derive(SIGNALS, load_rules(RULES), SHOWN, CHECKS)


def test_every_metric_that_a_signal_a_rule_or_a_check_asks_for_is_in_the_contract() -> None:
    asked = {name for what in (*HEARD.values(), *CHECKS.values()) for name in what.series}
    asked |= {name for rule in load_rules(RULES) for name in series_in(rule.expression)}

    assert asked
    assert asked - set(BY_SERIES) == set()


def test_every_field_of_the_log_that_a_signal_or_a_check_asks_for_is_in_the_contract() -> None:
    known = {column for field in COMMON for column in field.read_as}
    by_event: dict[str, set[str]] = {}
    for shape in SHAPES:
        by_event.setdefault(shape.event, set()).update(c for field in shape.fields for c in field.read_as)
    anywhere = known | {column for columns in by_event.values() for column in columns}

    asked = {read for what in (*HEARD.values(), *CHECKS.values()) for read in what.reads}
    unknown = [
        (event, column) for event, column in asked
        if column and column not in (anywhere if not event else anywhere & (by_event.get(event, set()) | {"value"} | known))
    ]  # fmt: skip

    assert asked
    assert unknown == []
    assert {event for event, _ in asked} - {""} <= set(by_event)


def test_listening_hears_what_real_stores_are_asked(tmp_path: Path) -> None:
    from tests.seed import empty_stores, fill

    with empty_stores(tmp_path) as stores:
        fill(stores)
        asked = {name for q in listen(stores, [HOUR, WHOLE]).heard for name in series_in(q.expression)}

    heard = {name for what in HEARD.values() for name in what.series}
    assert asked == heard | {name for rule in load_rules(RULES) for name in series_in(rule.expression)}


def test_listening_to_checks_hears_what_real_stores_are_asked_for(tmp_path: Path) -> None:
    from tests.seed import empty_stores, fill

    with empty_stores(tmp_path) as stores:
        fill(stores)
        listening = Listening(stores.metrics)
        for key in set(evidence.TABLE) - evidence.OF_THE_DEPLOYMENT:
            around = evidence.around_nobody(HOUR.end)
            evidence.collect(key, replace(stores, metrics=listening), HOUR, None, {}, around=around)

    asked = {name for question in listening.heard for name in series_in(question.expression)}
    assert asked
    assert asked <= {name for what in CHECKS.values() for name in what.series} | {"http_requests_total"}


def test_every_item_whose_evidence_is_of_telemetry_reads_some() -> None:
    assert {name: what for name, what in CHECKS.items() if not (what.series or what.reads or what.health)} == {}
    assert len(CHECKS) >= 10


def test_a_metric_names_the_alert_the_cards_and_the_checks_that_are_dead_without_it() -> None:
    assert USES.of_series(("db_connections_max",)) == (
        "Alert DBConnectionPoolExhausted", "Overview", "System › Database connections in use", "Capacity › Days to full",
        "Checklists › Capacity planning review", "Checklists › Update alert thresholds if needed",
    )  # fmt: skip
    assert "Checklists › Verify backup completion" in USES.of_series(("backup_last_success_timestamp_seconds",))
    assert "Checklists › Review error logs for new patterns" in USES.of_records("", ("pattern_id",))
    assert "Leads › Opportunities by value" in USES.of_series(("opportunities_created_total",))
    assert "Queues & sync › Sync by source" in USES.of_event("sync.completed")
    assert "Health › Outages" in USES.health


def test_every_signal_that_a_page_names_is_a_signal_and_every_page_shows_some() -> None:
    placed = {place.partition(" › ")[0] for places in SHOWN.values() for place in places}

    assert set(SHOWN) - set(SIGNALS) == set()
    assert {page.title for page in PAGES} - placed == {
        "Alert test", "Alerts", "Audit", "Checklists", "Contract", "Hand-over", "Rules", "Runbooks", "Setup",
    }  # fmt: skip


def test_a_card_is_named_by_its_panel_also_in_a_table_of_cards(tmp_path: Path) -> None:
    page = tmp_path / "p.py"
    page.write_text(
        'def inner():\n    cache.frame("b", w)\n\ndef body():\n    with left, panel("One", height=2):\n        inner()\n'
        '    with panel(""):\n        cards.trend("c", key="c")\n    cache.frame("d", w)\n\n'
        'PAIRS = (("Two", partial(drawn, "a", key="a")), ("Three", inner))\n',
        encoding="utf-8",
    )

    shown = panels.shown_by({"P": page})

    assert shown == {"b": ["P › One", "P › Three"], "c": ["P"], "a": ["P › Two"], "d": ["P"]}


def test_a_listening_store_answers_nothing() -> None:
    store = Metrics()

    answer = store.instant('sum by (le) (rate({__name__="x"}[5m])) + on () group_left y offset 5m', HOUR.end)

    assert isinstance(answer, Result)
    assert answer.labels == ()
    assert store.series == {"y"}


def test_what_stands_instead_of_a_metric_is_a_metric() -> None:
    names = {metric.name for metric in METRICS}

    assert len(names) == len(METRICS)
    assert {metric.instead for metric in METRICS} - {""} <= names
