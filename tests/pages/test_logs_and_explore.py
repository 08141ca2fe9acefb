"""The Logs and the Explore page: what a query, an open record and an address show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from lib.logs.base import LogQuery
from lib.logs.duckdb import DuckLogs
from lib.settings import Settings
from lib.signals.base import ERROR_LEVELS
from lib.stores import Stores
from lib.ui import cache, runtime, time_range
from lib.ui.logs.rows import as_csv, as_lines
from lib.ui.pages import entry
from tests.seed import HOUR, NOW, RULES, WHOLE, batch, empty_stores, fill, record

SHELL = str(Path(__file__).parents[2] / "lib" / "ui" / "shell.py")


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with empty_stores(tmp_path_factory.mktemp("logs")) as stores:
        fill(stores)
        assert isinstance(stores.logs, DuckLogs)
        lead = {"email": "jane.roe@example.com", "company": "Acme", "ip": "203.0.113.9"}
        extra = record(NOW - timedelta(minutes=1), "WARN", message="Mail to jane.roe@example.com bounced", request_id="q1",
                       lead_id="L1", operation="=1+1", fields=json.dumps(lead), id="mail")  # fmt: skip
        stores.logs.write(batch([extra]))
        yield stores


@pytest.fixture
def page(seeded: Stores, tmp_path: Path) -> Iterator[AppTest]:
    cache.forget()
    runtime.install(runtime.Runtime(Settings(data_dir=tmp_path, rules_file=RULES), seeded, lambda: None))
    test = AppTest.from_file(SHELL, default_timeout=30)
    test.query_params["range"] = f"{HOUR.start:%Y-%m-%dT%H:%M}/{NOW:%Y-%m-%dT%H:%M}"
    test.query_params["zone"] = "UTC"
    yield test
    runtime.install(None)
    cache.forget()


def drawn(page: AppTest, url_path: str, **state: object) -> AppTest:
    page.run()
    for name, value in state.items():
        page.session_state[name] = value
    test = page.switch_page(str(entry(url_path).path)).run()
    assert [str(e) for e in test.exception] == []
    return test


def said(test: AppTest) -> str:
    return "\n".join([*(t.value for t in test.text), *(m.value for m in test.markdown), *(c.value for c in test.caption),
                      *(c.value for c in test.code)])  # fmt: skip


def table(test: AppTest, column: str) -> pd.DataFrame:
    return next(t.value for t in test.dataframe if column in t.value.columns)


def test_a_page_of_records_says_how_many_there_are(page: AppTest) -> None:
    test = drawn(page, "logs")

    total = runtime.current().stores.logs.count(LogQuery(HOUR))
    assert total > 150
    assert f"Showing {min(total, 200)} of {total}" in said(test)
    assert len(table(test, "message")) == min(total, 200)


def test_a_query_narrows_every_card(page: AppTest) -> None:
    test = drawn(page, "logs", q="level:error operation:apollo*")

    rows = table(test, "message")
    assert "Showing 6 of 6" in said(test)
    assert set(rows["operation"]) == {"apollo.push"}
    assert rows["message"].str.startswith("Operation Failed: HaloPSA rejected lead").all()
    assert table(test, "pattern")["pattern"].tolist() == ["HaloPSA rejected lead <id>"]


@pytest.mark.parametrize(
    "chosen",
    [f"{NOW - timedelta(seconds=530):%Y-%m-%dT%H:%M:%S}/{NOW - timedelta(seconds=490):%Y-%m-%dT%H:%M:%S}", "5m"],
)
def test_every_card_counts_the_same_records_whatever_the_seconds_of_the_range(
    chosen: str, page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pattern that is listed is among the records, or "Filter for this pattern" would find nothing."""
    monkeypatch.setattr(time_range, "now", lambda: NOW + timedelta(seconds=50))
    page.query_params["range"] = chosen

    test = drawn(page, "logs")

    total = int(re.search(r"Showing \d+ of (\d+)", said(test))[1])  # type: ignore[index]
    found = table(test, "trend")
    assert 0 < len(found) < 30
    assert found["records"].sum() == total
    assert table(test, "share")["records"].sum() == total


def test_a_filter_that_hides_everything_says_how_much(page: AppTest) -> None:
    test = drawn(page, "logs", q="nowhere_to_be_found")

    assert "The filter hides all" in said(test)


def test_a_wrong_query_is_shown_with_its_place_and_nothing_is_asked(page: AppTest) -> None:
    test = drawn(page, "logs", q="level:error AND (x")

    assert "^\nthe query ends too early" in said(test)
    assert not test.dataframe


def test_an_open_record_hides_whom_it_is_about(page: AppTest) -> None:
    test = drawn(page, "logs", record="mail", q="request_id:q1")

    shown = said(test)
    assert "j***@example.com" in shown
    assert "A***" in shown
    assert "203.0.***" in shown
    assert "jane.roe" not in shown
    assert "113.9" not in shown
    assert table(test, "message")["message"].tolist() == ["Mail to j***@example.com bounced"]


def test_a_click_filters_for_a_value_and_another_takes_it_out(page: AppTest) -> None:
    test = drawn(page, "logs", record="mail", q="request_id:q1")

    button = next(b for b in test.button if b.label.startswith("Filter for operation"))
    test = button.click().run()
    assert test.session_state["q"] == 'request_id:q1 operation:"=1+1"'
    assert "Showing 1 of 1" in said(test)

    test = next(b for b in test.button if b.label.startswith("Filter out level")).click().run()
    assert test.session_state["q"].endswith('NOT level:"WARN"')
    assert "The filter hides all" in said(test)


def test_a_lead_is_followed_through_all_kept_data(page: AppTest) -> None:
    test = drawn(page, "logs", follow="lead_id:L1")

    trace = table(test, "offset")
    assert trace["offset"].iloc[0] == "+0.0 ms"
    assert "Mail to j***@example.com bounced" in trace["message"].tolist()
    assert trace["ts"].is_monotonic_increasing


def test_older_pages_go_on_where_the_one_before_ended(page: AppTest) -> None:
    page.query_params["range"] = f"{WHOLE.start:%Y-%m-%dT%H:%M}/{NOW:%Y-%m-%dT%H:%M}"
    first = table(drawn(page, "logs"), "message")["ts"]

    test = page.button(key="older").click().run()

    total = runtime.current().stores.logs.count(LogQuery(WHOLE))
    assert f"Showing 201–400 of {total}" in said(test)
    assert test.session_state["page"] == "2"
    assert table(test, "message")["ts"].iloc[0] <= first.iloc[-1]
    test = test.button(key="newer").click().run()
    assert table(test, "message")["ts"].tolist() == first.tolist()


def test_the_next_error_is_opened_over_the_records_between_and_the_one_before_again(page: AppTest) -> None:
    found = table(drawn(page, "logs"), "message")
    errors = [place for place, level in enumerate(found["level"]) if level == "▲ ERROR"]

    page.button(key="next_error").click().run()
    first = page.session_state["record"]
    page.button(key="next_error").click().run()
    second = page.session_state["record"]
    page.button(key="previous_error").click().run()
    page.button(key="previous_error").click().run()

    ids = runtime.current().stores.logs.search(LogQuery(HOUR), 200, None)["id"].tolist()
    assert [first, second] == [ids[place] for place in errors[:2]]
    assert page.session_state["record"] == first
    assert [toast.value for toast in page.toast] == ["No newer error."]


def test_the_next_error_is_found_beyond_the_page_and_from_any_record(page: AppTest) -> None:
    page.query_params["range"] = f"{WHOLE.start:%Y-%m-%dT%H:%M}/{NOW:%Y-%m-%dT%H:%M}"
    errors = runtime.current().stores.logs.search(LogQuery(WHOLE, (ERROR_LEVELS,)), 200, None)
    drawn(page, "logs", record="mail")

    page.button(key="next_error").click().run()
    after_mail = page.session_state["record"]
    for _ in range(len(errors) - 1):
        page.button(key="next_error").click().run()

    mailed = NOW - timedelta(minutes=1)
    assert after_mail == errors.loc[errors["ts"] < mailed, "id"].iloc[0]
    assert page.session_state["record"] == errors["id"].iloc[-1]
    shown = runtime.current().stores.logs.search(LogQuery(WHOLE), 200, None)
    assert errors["id"].iloc[-1] not in set(shown["id"])


def test_a_filter_without_errors_says_so(page: AppTest) -> None:
    drawn(page, "logs", levels=["INFO"])

    page.button(key="next_error").click().run()

    assert [toast.value for toast in page.toast] == ["No older error in this range and filter."]


def test_columns_of_any_field_can_be_chosen(page: AppTest) -> None:
    test = drawn(page, "logs", columns=["email", "level"], q="request_id:q1")

    assert table(test, "email")["email"].tolist() == ["j***@example.com"]


@pytest.mark.parametrize(
    ("shown", "read"),
    [
        (["level", "message"], {"level", "message", "error", "fields"}),
        (["email", "url", "truncated"], {"url", "truncated", "fields"}),
        (["stack", "status"], {"stack", "status", "fields"}),
    ],
)
def test_a_page_of_records_is_read_once_and_only_in_the_columns_shown(
    page: AppTest, monkeypatch: pytest.MonkeyPatch, shown: list[str], read: set[str]
) -> None:
    asked: list[set[str]] = []
    search = DuckLogs.search

    def noted(store: DuckLogs, query: LogQuery, limit: int, before: object, columns: tuple[str, ...]) -> pd.DataFrame:
        asked.append(set(columns))
        return search(store, query, limit, before, columns)  # type: ignore[arg-type]

    monkeypatch.setattr(DuckLogs, "search", noted)
    test = drawn(page, "logs", columns=shown)

    assert asked == [read]
    assert table(test, shown[0]).columns.tolist() == ["ts", *shown]
    assert "email" in test.selectbox(key="top").options


def test_files_hide_people_and_hold_no_formula(page: AppTest, seeded: Stores) -> None:
    from lib import signals

    found = signals.SIGNALS["log_export"](seeded, HOUR, lucene="request_id:q1")

    assert b"'=1+1" in as_csv(found, "UTC")
    line = json.loads(as_lines(found))
    assert line["operation"] == "=1+1"
    assert line["fields"]["email"] == "j***@example.com"
    assert b"jane" not in as_csv(found, "UTC") + as_lines(found)


def test_an_export_has_the_newest_records_and_no_more_than_its_cap(page: AppTest, seeded: Stores) -> None:
    from lib import signals

    found = signals.SIGNALS["log_export"](seeded, HOUR, most=30)

    assert len(found) == 30
    assert found["ts"].is_monotonic_decreasing
    assert found["id"].is_unique


def test_explore_draws_an_expression_and_says_its_step(page: AppTest) -> None:
    test = drawn(page, "explore", expr="queue_size")

    assert "2 of 2 series · one value every 15 s · 241 points" in said(test)
    assert table(test, "queue_name")["queue_name"].tolist() == ["enrichment", "webhooks"]


def test_explore_points_at_what_is_wrong(page: AppTest) -> None:
    test = drawn(page, "explore", expr="rate(queue_size[5m]")

    assert "rate(queue_size[5m]\n                   ^" in said(test)


def test_explore_inserts_what_was_put_together(page: AppTest) -> None:
    test = drawn(page, "explore", expr="1 +")
    test = test.selectbox(key="help_metric").select("queue_size").run()
    test = test.selectbox(key="help_label").select("queue_name").run()
    test = test.selectbox(key="help_value_queue_size_queue_name").select("webhooks").run()

    test = test.button(key="help_add").click().run()

    assert test.session_state["expr"] == '1 + queue_size{queue_name="webhooks"}'
    assert table(test, "value")["value"].tolist() == [21.0]
