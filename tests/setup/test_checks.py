"""Each way in which a source fails has a line that says what to do, and none of them freezes the page."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lib.alerts.rules import load_rules
from lib.settings import Settings
from lib.setup import SOURCES, checks
from lib.setup.base import Check, Grade, Result, Row, Runner
from lib.stores import Stores
from tests.fault_server import Fault, FaultServer, answer, hang, json_answer, not_http, redirect
from tests.seed import RULES, empty_stores

GOOD = 'http_requests_total{method="GET",route="/x",status_code="200"} 1\nqueue_size{queue_name="q"} 1\n'


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    with empty_stores(tmp_path) as opened:
        yield opened


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def run(key: str, stores: Stores, **settings: object) -> list[Row]:
    given = Settings(rules_file=RULES, _env_file=None, **settings)  # type: ignore[arg-type]
    return next(check for check in checks(given, stores) if check.key == key).ask()


def now(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


def test_every_source_has_a_key_of_its_own_and_says_so_when_it_is_not_configured(
    stores: Stores, tmp_path: Path
) -> None:
    found = checks(Settings(data_dir=tmp_path, rules_file=RULES, _env_file=None), stores)  # type: ignore[call-arg]

    assert len({check.key for check in found}) == len(found) == len(SOURCES)
    graded = {check.key: {row.grade for row in check.ask()} for check in found}
    assert {key for key, grades in graded.items() if grades == {Grade.OFF}} == {
        "log_files", "elasticsearch", "metric_targets", "prometheus", "health_targets", "alert_channels", "alert_api",
    }  # fmt: skip
    assert Grade.FAILED not in set().union(*graded.values())


@pytest.mark.parametrize(
    ("fault", "grade", "said", "hint"),
    [
        (answer(GOOD), Grade.OK, "2 series, 2 of", ""),
        (answer(GOOD, headers={"date": "Mon, 02 Mar 2020 12:00:00 GMT"}), Grade.WARNING, "s off ours", "NTP"),
        (answer("go_goroutines 1\n"), Grade.FAILED, "0 of", "none of the service's metrics"),
        (answer(b"x", 401), Grade.FAILED, "HTTP 401", "credentials"),
        (answer(b"x", 404), Grade.FAILED, "HTTP 404", "path"),
        (answer(b"x", 503), Grade.FAILED, "HTTP 503", "its log"),
        (redirect("/y"), Grade.FAILED, "HTTP 301", "redirects"),
        (answer("<html></html>\n", content_type="text/html"), Grade.FAILED, "text/html", "a page, not metrics"),
        (json_answer({}), Grade.FAILED, "application/json", "/health"),
        (answer("{} what\n"), Grade.FAILED, "not in Prometheus' format", "what answers there"),
        (not_http(), Grade.FAILED, "closed", "speak HTTP"),
    ],
)  # fmt: skip
def test_a_metrics_target_is_told_by_its_answer(
    stores: Stores, server: FaultServer, *, fault: Fault, grade: Grade, said: str, hint: str
) -> None:
    server.says("/metrics", fault)

    (row,) = run("metric_targets", stores, scrape_targets=(server.url("/metrics"),))

    assert row.grade is grade, row
    assert said in row.said
    assert hint in row.hint


def test_a_target_that_hangs_is_named_while_the_others_are_told(
    stores: Stores, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lib.setup.web.TIMEOUT_S", 0.4)
    server.says("/a", hang())
    server.says("/metrics", answer(GOOD))

    rows = run(
        "metric_targets", stores, scrape_targets=(server.url("/a"), server.url("/metrics"), "http://127.0.0.1:1/m")
    )

    assert [row.grade for row in rows] == [Grade.FAILED, Grade.OK, Grade.FAILED]
    assert "firewall" in rows[0].hint
    assert "Nothing listens" in rows[2].hint


def test_a_health_target_says_what_it_does_not_report(stores: Stores, server: FaultServer) -> None:
    server.says("/health", json_answer({"status": "healthy", "version": "2.1", "checks": {"database": "healthy"}}))
    server.says("/page", answer("<html>", content_type="text/html"))

    good, page = run("health_targets", stores, health_targets=(server.url("/health"), server.url("/page")))

    assert (good.grade, page.grade) == (Grade.WARNING, Grade.FAILED)
    assert "version 2.1" in good.said
    assert "apollo" in good.hint
    assert "JSON" in page.hint


def test_a_glob_that_names_nothing_says_what_is_there(stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app.txt").touch()

    rows = run("log_files", stores, log_files=(f"{tmp_path}/logs/combined*.log", f"{tmp_path}/nowhere/*.log"))

    assert [row.grade for row in rows[:2]] == [Grade.FAILED, Grade.FAILED]
    assert "app.txt" in rows[0].hint
    assert f"{tmp_path}/nowhere does not exist; {tmp_path} does" in rows[1].hint


@pytest.mark.parametrize(
    ("age_s", "grade", "said"),
    [(2, Grade.OK, "newest record"), (7200, Grade.WARNING, "s old"), (-7200, Grade.WARNING, "s ahead of now")],
)
def test_a_followed_file_is_told_by_its_newest_record(
    stores: Stores, tmp_path: Path, age_s: int, grade: Grade, said: str
) -> None:
    line = json.dumps({"timestamp": now(seconds=age_s), "level": "INFO", "message": "m"})
    (tmp_path / "combined.log").write_text(f"{line}\n", encoding="utf-8")

    row = run("log_files", stores, log_files=(f"{tmp_path}/combined*.log",))[0]

    assert row.grade is grade, row
    assert said in row.said


def test_a_followed_file_without_a_record_says_so(stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "combined.log").write_text("plain text\n", encoding="utf-8")

    row = run("log_files", stores, log_files=(f"{tmp_path}/combined*.log",))[0]

    assert row.grade is Grade.WARNING, row
    assert "no line is JSON" in row.said


def test_error_log_beside_combined_log_counts_every_error_twice(stores: Stores, tmp_path: Path) -> None:
    for name in ("combined.log", "error.log"):
        (tmp_path / name).write_text("{}\n", encoding="utf-8")

    rows = run("log_files", stores, log_files=(f"{tmp_path}/*.log",))

    assert any("counts twice" in row.said and "combined*.log only" in row.hint for row in rows)


def test_a_file_that_may_not_be_read_is_named(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "combined.log"
    path.write_text("{}\n", encoding="utf-8")
    monkeypatch.setattr("os.access", lambda found, _mode: Path(found) != path)  # root may read all

    row = run("log_files", stores, log_files=(str(path),))[0]

    assert (row.grade, row.said, row.what) == (Grade.FAILED, "permission denied", str(path))


@pytest.mark.parametrize(
    ("fault", "hint"),
    [(answer(b"x", 401), "PROMETHEUS_BEARER_TOKEN"), (answer("<html>", content_type="text/html"), "path prefix")],
)
def test_a_prometheus_that_refuses_names_the_setting(
    stores: Stores, server: FaultServer, fault: Fault, hint: str
) -> None:
    server.says("/api/v1/query", fault)

    (row,) = run("prometheus", stores, prometheus_url=server.url(""))

    assert row.grade is Grade.FAILED
    assert hint in row.hint


@pytest.mark.parametrize("setting", ["rules_file", "own_rules_file"])
def test_a_rule_file_that_changed_or_broke_since_the_start_is_told(
    stores: Stores, tmp_path: Path, setting: str
) -> None:
    own = Settings(_env_file=None).own_rules_file  # type: ignore[call-arg]
    assert own is not None
    stores = replace(stores, own_rules=load_rules(own))
    files = {"rules_file": RULES, "own_rules_file": own}
    path, place = tmp_path / "rules.yml", list(files).index(setting)
    path.write_text(files[setting].read_text().replace(" > 0", " > 7").replace("> 1000", "> 900"), encoding="utf-8")
    same = run("rule_file", stores)
    given = Settings(**{**files, setting: path}, _env_file=None)  # type: ignore[arg-type]
    check = next(c for c in checks(given, stores) if c.key == "rule_file")

    newer = check.ask()
    path.write_text("groups: what", encoding="utf-8")
    broken = check.ask()

    assert [row.grade for row in same] == [Grade.OK, Grade.OK]
    assert (newer[place].grade, broken[place].grade) == (Grade.WARNING, Grade.FAILED)
    assert [rows[1 - place].grade for rows in (newer, broken)] == [Grade.OK, Grade.OK]
    moved = {"rules_file": ["DBConnectionPoolExhausted", "HighErrorRate", "QueueBacklog"]}
    changed = moved.get(setting, ["ChecklistOverdue", "Drill", "NewErrorPattern"])
    assert newer[place].said.endswith(f"in force otherwise: {', '.join(changed)}")
    assert f"{path}:1" in broken[place].said


def test_placeholders_that_nothing_fills_in_are_named(stores: Stores, tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(RULES.read_text().replace("$labels.queue_name", "$lables.queue_name", 1), encoding="utf-8")

    given = Settings(rules_file=path, _env_file=None)  # type: ignore[call-arg]
    rows = next(one for one in checks(given, stores) if one.key == "rule_file").ask()

    assert (rows[1].what, rows[1].grade) == ("placeholders", Grade.WARNING)
    assert "QueueBacklog: {{ $lables.queue_name }}" in rows[1].said


def test_a_data_folder_that_is_not_there_names_the_setting(stores: Stores, tmp_path: Path) -> None:
    (row, *_) = run("data_folder", stores, data_dir=tmp_path / "none")

    assert row.grade is Grade.FAILED
    assert "HALO_OPS_DATA_DIR" in row.hint


def done(runner: Runner, key: str) -> Result:
    deadline = time.monotonic() + 10
    while runner.result(key) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    found = runner.result(key)
    assert found is not None
    return found


def test_a_check_that_hangs_costs_a_line_and_runs_only_once() -> None:
    runner, release = Runner(limit_s=0.1), threading.Event()
    check = Check("k", "K", "", lambda: [Row("x", Grade.OK, str(release.wait(10)))])

    began = time.monotonic()
    started = runner.start(check)

    assert started
    assert time.monotonic() - began < 1
    assert "no result within 0.1 s" in done(runner, "k").rows[0].said
    assert runner.start(check) is False
    release.set()
    deadline = time.monotonic() + 10
    while (found := runner.result("k")) is None or found.grade is not Grade.OK:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_check_that_breaks_says_so_and_can_be_started_again() -> None:
    runner = Runner()
    check = Check("k", "K", "", lambda: [Row("x", Grade.OK, str(1 // 0))])

    runner.start(check)

    assert "the check itself failed: ZeroDivisionError" in done(runner, "k").rows[0].said
    assert runner.start(check)
