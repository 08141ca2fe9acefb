"""Every page on a small integration's three hours: it draws, and says what is true of them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lib.alerts.rulebook import Rulebook
from lib.logs.duckdb import DuckLogs
from lib.metrics.duckdb import DuckMetrics
from lib.settings import Settings
from lib.setup.base import RUNNER
from lib.stores import Stores
from lib.ui import cache, runtime
from lib.ui.pages import PAGES, entry
from tests.seed import HOUR, NOW, QUIET, RULES, batch, empty_stores, fill, record, samples

CHARTED = ("", "errors", "logs", "performance", "queues", "leads", "system", "health")
SHELL = str(Path(__file__).parents[2] / "lib" / "ui" / "shell.py")


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with empty_stores(tmp_path_factory.mktemp("pages")) as stores:
        fill(stores)
        yield stores


@pytest.fixture
def page(seeded: Stores, tmp_path: Path) -> Iterator[AppTest]:
    """The frame over the seeded hour, before a page was chosen."""
    cache.forget()
    settings = Settings(data_dir=tmp_path, rules_file=RULES, own_rules_file=None)
    runtime.install(runtime.Runtime(settings, seeded, lambda: None, rulebook=Rulebook([RULES])))
    test = AppTest.from_file(SHELL, default_timeout=30)
    test.query_params["range"] = f"{HOUR.start:%Y-%m-%dT%H:%M}/{NOW:%Y-%m-%dT%H:%M}"
    test.query_params["zone"] = "UTC"
    yield test
    runtime.install(None)
    cache.forget()


def drawn(page: AppTest, url_path: str) -> AppTest:
    test = page.run()
    return test.switch_page(str(entry(url_path).path)).run() if url_path else test


def metrics(test: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in test.metric}


def shown(test: AppTest) -> str:
    """All plain text and markdown of the page."""
    return "\n".join([*(t.value for t in test.text), *(m.value for m in test.markdown)])


@pytest.mark.parametrize("url_path", [page.url_path for page in PAGES])
def test_a_page_draws_on_a_busy_hour(url_path: str, page: AppTest) -> None:
    test = drawn(page, url_path)

    assert [str(e) for e in test.exception] == []
    assert [e.value for e in test.error] == []
    # There is no state database here, which is all that Checklists asks.
    assert ("does not answer" in shown(test)) == (url_path == "checklists")


@pytest.mark.parametrize("url_path", [page.url_path for page in PAGES])
def test_a_page_on_a_quiet_hour_says_so_and_calls_nothing_good_that_was_not_seen(url_path: str, page: AppTest) -> None:
    page.query_params["range"] = f"{QUIET.start:%Y-%m-%dT%H:%M}/{QUIET.end:%Y-%m-%dT%H:%M}"

    test = drawn(page, url_path)

    assert [str(e) for e in test.exception] == []
    assert [e.value for e in test.error] == []
    assert "0 errors in" not in shown(test)
    assert url_path not in CHARTED or re.search(r"in this range|No data|Nothing was probed", shown(test))


def test_the_overview_says_what_is_wrong_and_where(page: AppTest) -> None:
    test = drawn(page, "")

    assert "1 new error pattern in the last hour" in shown(test)
    assert "30.0 lead syncs a minute fail; the limit is 10" in shown(test)
    assert metrics(test)["Failed requests"] == "2 %"
    assert metrics(test)["95th percentile"] == "750 ms"


def test_errors_shows_the_last_hour_and_marks_the_new_pattern(page: AppTest) -> None:
    test = drawn(page, "errors")

    patterns = next(t.value for t in test.dataframe if "pattern" in t.value.columns)
    assert metrics(test)["Errors, last hour"] == "9"
    assert metrics(test)["Requests failed, last hour"] == "9.1 %"
    assert dict(zip(patterns["pattern"], patterns["is_new"], strict=True)) == {
        "HaloPSA rejected lead <id>": "★ new",
        "Token refresh failed: invalid_client": "",
    }


def test_errors_names_a_field_that_the_log_never_had(tmp_path: Path) -> None:
    with empty_stores(tmp_path) as stores:
        assert isinstance(stores.logs, DuckLogs)
        stores.logs.write(batch([record(NOW - timedelta(minutes=3), message="Started")]))
        cache.forget()
        runtime.install(runtime.Runtime(Settings(data_dir=tmp_path, rules_file=RULES), stores, lambda: None))
        test = AppTest.from_file(SHELL, default_timeout=30)
        test.query_params["range"] = f"{HOUR.start:%Y-%m-%dT%H:%M}/{NOW:%Y-%m-%dT%H:%M}"
        test.query_params["zone"] = "UTC"
        test = drawn(test, "errors")
        runtime.install(None)
        cache.forget()

    assert "**The log field route** has never been seen" in shown(test)
    assert "0 errors in 1 h" in shown(test)


def test_performance_shows_percentiles_in_ms_and_the_slowest_route_first(page: AppTest) -> None:
    test = drawn(page, "performance")

    routes = next(t.value for t in test.dataframe if "route" in t.value.columns)
    assert routes["route"].iloc[0] == "/api/reports"
    assert "800 ms" in metrics(test).values()


def test_queues_shows_growth_and_the_stale_source(page: AppTest) -> None:
    test = drawn(page, "queues")

    sources = next(t.value for t in test.dataframe if "last_success" in t.value.columns)
    assert dict(zip(sources["source"], sources["success_ratio"], strict=True)) == {"apollo": 1.0, "zoominfo": 0.0}
    assert dict(zip(sources["source"], sources["status"], strict=True)) == {"apollo": "✓ OK", "zoominfo": "◆ Late"}
    assert sources["usual_s"].tolist() == ["10 min", "10 min"]


def test_leads_shows_the_funnel_in_numbers(page: AppTest) -> None:
    test = drawn(page, "leads")

    assert {"12", "3", "1"} <= set(metrics(test).values())


def test_leads_shows_the_technical_cause_beside_each_source(page: AppTest) -> None:
    test = drawn(page, "leads")

    found = next(t.value for t in test.dataframe if "not_synced" in t.value.columns).set_index("source")
    assert found["not_synced"].to_dict() == {"apollo": 0, "zoominfo": 60}
    assert found["errors"].to_dict() == {"apollo": 6, "zoominfo": 0}


def test_a_link_to_a_route_opens_its_response_time(page: AppTest) -> None:
    page.query_params["asked"] = "GET /api/reports"

    test = drawn(page, "performance")

    assert "GET /api/reports" in [text.value for text in test.text]


def lag_card(tmp_path: Path, **series: float) -> str:
    """What the System page says on a store with these metrics alone, in the range before their first sample."""
    with empty_stores(tmp_path) as stores:
        assert isinstance(stores.metrics, DuckMetrics)
        stores.metrics.append(samples({(("__name__", name),): np.array(value) for name, value in series.items()}))
        cache.forget()
        runtime.install(runtime.Runtime(Settings(data_dir=tmp_path, rules_file=RULES), stores, lambda: None))
        test = AppTest.from_file(SHELL, default_timeout=30)
        test.query_params["range"] = f"{QUIET.start:%Y-%m-%dT%H:%M}/{QUIET.end:%Y-%m-%dT%H:%M}"
        said = shown(drawn(test, "system")) + "\n".join(caption.value for caption in test.caption)
        runtime.install(None)
        cache.forget()
    return said


def test_a_python_service_is_not_told_that_it_lacks_nodes_event_loop(tmp_path: Path) -> None:
    said = lag_card(tmp_path, python_eventloop_lag_seconds=0.004)

    assert "eventloop" not in said


def test_a_service_without_an_event_loop_shows_its_garbage_collections(tmp_path: Path) -> None:
    said = lag_card(tmp_path, python_gc_collections_total=4.0)

    assert "garbage collections instead" in said
    assert "eventloop" not in said


def test_health_lists_the_outage_with_its_reason(page: AppTest) -> None:
    test = drawn(page, "health")

    outages = next(t.value for t in test.dataframe if "ongoing" in t.value.columns)
    assert "connection refused" in outages["reason"].tolist()


def test_health_does_not_call_a_range_good_that_nobody_probed(page: AppTest) -> None:
    page.query_params["range"] = f"{NOW + timedelta(hours=2):%Y-%m-%dT%H:%M}/{NOW + timedelta(hours=8):%Y-%m-%dT%H:%M}"

    test = drawn(page, "health")

    assert "No outage" not in shown(test)
    assert "Nothing was probed" in shown(test)


def test_the_columns_that_a_page_names_come_first_in_its_order(page: AppTest) -> None:
    test = drawn(page, "queues")

    orders = [list(table.proto.column_order) for table in test.dataframe]
    assert ["queue", "status"] in [order[:2] for order in orders]


def test_a_page_tells_how_its_numbers_were_asked_when_it_is_opened(page: AppTest) -> None:
    page.session_state["how_asked"] = True

    test = drawn(page, "errors")

    asked = next(table.value for table in test.dataframe if "question" in table.value.columns)
    assert set(asked["store"]) == {"logs (embedded)", "metrics"}
    failed = asked[asked["card"] == "Failed requests"]
    assert any("http_requests_total" in question for question in failed["question"])
    assert (asked["rows"] >= 0).all()
    assert set(asked["age"]) <= {f"{s} s" for s in range(60)} | {"0 ms"}


def test_percentiles_say_how_exact_they_are(page: AppTest) -> None:
    test = drawn(page, "performance")

    told = {metric.label: metric.proto.help for metric in test.metric}
    assert {label for label, words in told.items() if "within 2 %" in words} == {"P50", "P95", "P99"}


STEERING = "fail\x1b[2J\u202egpj\rFAKE"


def test_a18_no_page_lets_a_text_steer_or_reorder(page: AppTest, seeded: Stores) -> None:
    """A18: neither code, plain text nor a cell holds a control or a direction change; they are shown as what they are."""
    rows = [record(NOW - timedelta(minutes=3), "ERROR", event="operation.error", operation=STEERING, error=STEERING,
                   stack=STEERING, message=STEERING, pattern="a18", fields=json.dumps({"x": STEERING}, ensure_ascii=False))]  # fmt: skip
    assert isinstance(seeded.logs, DuckLogs)
    seeded.logs.write(batch(rows))

    test = drawn(page, "errors")

    told = [element.proto.SerializeToString().decode("utf-8", "replace") for element in (*test.code, *test.text)]
    cells = [str(value) for frame in test.dataframe for value in frame.value.astype(object).to_numpy().ravel()]
    assert any("U+202Egpj" in cell for cell in cells)
    assert [one for one in (*told, *cells) if "\u202e" in one or "\x1b" in one] == []


def test_the_contract_lists_what_is_missing_worst_first(page: AppTest) -> None:
    test = drawn(page, "contract")

    lines = next(t.value for t in test.dataframe if "needed" in t.value.columns)
    order = [("Missing", "Doubtful", "Not checked", "OK").index(status[2:]) for status in lines["status"]]
    assert order == sorted(order)
    # The seeded three hours are months ago: none of their samples is fresh.
    assert "Cannot fire as things are: DBConnectionPoolExhausted, HighErrorRate" in shown(test)


def test_setup_shows_where_settings_come_from_and_runs_a_check_off_the_page(page: AppTest) -> None:
    test = drawn(page, "setup")

    table = next(t.value for t in test.dataframe if "origin" in t.value.columns)
    assert set(table.loc[table["name"] == "SLACK_WEBHOOK_URL", "value"]) == {"unset"}
    next(button for button in test.button if button.key == "check_rule_file").click()
    test.run()
    deadline = time.monotonic() + 10
    while RUNNER.result("rule_file") is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    test.run()

    checked = next(t.value for t in test.dataframe if "said" in t.value.columns)
    assert checked["said"].tolist() == ["5 alert rules, 5 with a threshold line"]


def test_a_metric_that_was_never_seen_links_to_the_contract(tmp_path: Path) -> None:
    with empty_stores(tmp_path) as stores:
        cache.forget()
        runtime.install(runtime.Runtime(Settings(data_dir=tmp_path, rules_file=RULES), stores, lambda: None))
        test = drawn(AppTest.from_file(SHELL, default_timeout=30), "system")
        runtime.install(None)
        cache.forget()

    links = [link.proto.label for link in test.get("page_link")]
    assert "See the telemetry contract" in links
