"""The five weekly evidences, each on ok, look, bad and no data."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from lib.alerts.tables import RuleVersionRow
from lib.capacity.lines import Line
from lib.checklists.evidence import weekly
from lib.checklists.model import Verdict
from lib.identity.roles import Action, Actor, Role, Via
from lib.state import audit
from lib.window import Window
from tests.checklists.evidence.world import DAY, HOUR, MINUTE, NOW, WEEK, World, cases, moments, says
from tests.seed import metric_samples, record

OK, LOOK, BAD, NO_DATA = Verdict.OK, Verdict.LOOK, Verdict.BAD, Verdict.NO_DATA


def two_weeks(world: World, now_each_h: int, before_each_h: int = 4) -> None:
    world.errors(16 * DAY, 8 * DAY, before_each_h * HOUR, "text one")
    world.errors(8 * DAY, 0 * DAY, now_each_h * HOUR, "text one")


def only_new_ones(world: World) -> None:
    world.requests(16 * DAY, 0 * DAY, 4 * HOUR)
    world.errors(3 * DAY, 0 * DAY, 2 * HOUR, "text one")


TOP_ERRORS = cases(
    as_last_week=(lambda w: two_weeks(w, 4), OK, "48 errors, +0 %"),
    twice_as_many=(lambda w: two_weeks(w, 2), LOOK, "+100 %"),
    four_times_as_many=(lambda w: two_weeks(w, 1), BAD, "+300 %"),
    fewer=(lambda w: two_weeks(w, 8), OK, "-50 %"),
    none_in_the_week_before=(only_new_ones, LOOK, "none in the period before"),
    no_week_before=(lambda w: w.errors(3 * DAY, 0 * DAY, HOUR, "text"), NO_DATA, "the change is not known"),
    an_empty_log=(lambda w: None, NO_DATA, "no record"),
)


@pytest.mark.parametrize("case", TOP_ERRORS)
def test_top_errors(case: str, world: World) -> None:
    fill, verdict, words = TOP_ERRORS[case]
    fill(world)

    found = world.ask("top_errors", WEEK)

    assert (found.verdict, words in says(found)) == (verdict, True), found


def test_a_type_that_grew_is_named_though_all_together_did_not(world: World) -> None:
    world.errors(16 * DAY, 8 * DAY, HOUR, "common")
    world.errors(16 * DAY, 8 * DAY, 12 * HOUR, "rare")
    world.errors(8 * DAY, 0 * DAY, 90 * MINUTE, "common")
    world.errors(8 * DAY, 0 * DAY, 3 * HOUR, "rare")

    found = world.ask("top_errors", WEEK)

    assert (found.verdict, found.reason) == (LOOK, "rare: +300 %")


def weeks(world: World, now_ms: float, *before_ms: float) -> None:
    for number, p95 in enumerate((now_ms, *before_ms)):
        world.requests((number + 1) * 7 * DAY + MINUTE, number * 7 * DAY + MINUTE, 4 * HOUR, duration_ms=p95)


TREND = cases(
    the_same=(lambda w: weeks(w, 100, 100, 100), OK, "+0 %"),
    a_third_slower=(lambda w: weeks(w, 135, 100, 100, 100), LOOK, "against the weeks before"),
    twice_as_slow=(lambda w: weeks(w, 200, 100, 100), BAD, "against the weeks before"),
    one_slow_week_long_ago=(lambda w: weeks(w, 100, 100, 900), OK, "p95 "),
    one_week_only=(lambda w: weeks(w, 100), NO_DATA, "less than two weeks"),
    nothing=(lambda w: None, NO_DATA, "no request from this week"),
)


@pytest.mark.parametrize("case", TREND)
def test_performance_trend(case: str, world: World) -> None:
    fill, verdict, words = TREND[case]
    fill(world)

    found = world.ask("performance_trend", WEEK)

    assert (found.verdict, words in says(found)) == (verdict, True), found


def kept(world: World, days: int, *, error: str = "", run: bool = True) -> None:
    world.requests(days * DAY, (days - 1) * DAY, HOUR)
    world.metric("up", 1.0)
    _probe(world)
    if run:
        world.retained(error=error)


def _probe(world: World) -> None:
    from lib.state.health_sql import SqlHealthLog

    SqlHealthLog(world.state).observe("a:3000", NOW - DAY, 200, {"status": "healthy"})


def with_unrotated_files(world: World) -> None:
    kept(world, 5)
    with (world.settings.data_dir / "combined.log").open("wb") as file:
        file.truncate(200 * 2**20)
    world.settings = world.settings.model_copy(update={"log_files": (str(world.settings.data_dir / "combined*.log"),)})


def with_a_week_declared(world: World) -> None:
    kept(world, 8)
    world.settings = world.settings.model_copy(update={"retention_logs_days": 7})


RETENTION = cases(
    within_the_declared_age=(lambda w: kept(w, 20), OK, "retention is kept"),
    just_over_it=(with_a_week_declared, LOOK, "longer than declared"),
    far_over_it=(lambda w: kept(w, 60), BAD, "kept 30 d longer than declared"),
    retention_fails=(lambda w: kept(w, 20, error="the disk is full"), BAD, "the disk is full"),
    a_log_file_that_is_not_rotated=(with_unrotated_files, LOOK, "is it rotated?"),
    retention_never_ran=(lambda w: kept(w, 20, run=False), NO_DATA, "no collection runs in this process"),
    nothing=(lambda w: None, NO_DATA, "nothing is kept yet"),
)


@pytest.mark.parametrize("case", RETENTION)
def test_retention(case: str, world: World) -> None:
    fill, verdict, words = RETENTION[case]
    fill(world)

    found = world.ask("retention", WEEK)

    assert (found.verdict, words in says(found)) == (verdict, True), found


def test_of_many_that_are_as_declared_the_number_is_told_and_those_that_are_not_stand_first(world: World) -> None:
    fine = [Line(f"Index {n}", "ok", "oldest 1 d old", "nothing is older") for n in range(40)]
    wrong = [Line("Index x", "bad", "oldest 50 d old", "kept 20 d longer than declared")]

    assert weekly._kept([*fine, *wrong]) == [
        "Index x: oldest 50 d old, kept 20 d longer than declared", "40 others are as declared",
    ]  # fmt: skip
    assert weekly._kept(fine[:2])[1] == "Index 1: oldest 1 d old, nothing is older"


def measured(world: World, *, over_share: float = 0.0, failing: bool = False, without: str = "") -> None:
    """Everything that the rules read, for a day; the queue is over its limit in the last part of it."""
    series = {
        "http_requests_total": (lambda t: t, {"status_code": "200", "route": "/"}),
        "db_connections_active": (5.0, {}),
        "db_connections_max": (10.0, {}),
        "lead_sync_total": (lambda t: t, {"source": "apollo", "status": "success"}),
        "queue_size": (
            lambda t: (t > t[-1] * (1 - over_share)) * 2000.0 * (over_share > 0),
            {"queue_name": "lead_sync"},
        ),
    }
    for bound in ("0.1", "5", "+Inf"):
        world.metric("http_request_duration_seconds_bucket", lambda t: t, le=bound, route="/", method="GET")
    if failing:
        world.metric("http_requests_total", lambda t: t / 2, status_code="500", route="/")
    for name, (values, labels) in series.items():
        if name != without:
            world.metric(name, values, **labels)  # type: ignore[arg-type]


def reviewed(world: World, by: date) -> None:
    measured(world)
    with world.state.writing() as session:
        session.add(RuleVersionRow(name="QueueBacklog", version=1, group_name="g", yaml="", removed=False, note="",
                                   review_by=by, who="anna", at=NOW))  # fmt: skip


def reviewed_again(world: World) -> None:
    reviewed(world, NOW.date() - timedelta(days=40))
    with world.state.writing() as session:
        session.add(RuleVersionRow(name="QueueBacklog", version=2, group_name="g", yaml="", removed=False, note="",
                                   review_by=NOW.date() + timedelta(days=40), who="anna", at=NOW))  # fmt: skip


THRESHOLDS = cases(
    never_over=(measured, OK, "never over"),
    seldom_over=(lambda w: measured(w, over_share=0.02), OK, "most often over: QueueBacklog"),
    often_over=(lambda w: measured(w, over_share=0.3), LOOK, "QueueBacklog over its threshold in"),
    failing_all_the_time=(lambda w: measured(w, failing=True), BAD, "HighErrorRate over its threshold in 100 %"),
    due_for_review=(lambda w: reviewed(w, NOW.date()), LOOK, "was to be reviewed by 2026-03-02"),
    due_later=(lambda w: reviewed(w, NOW.date() + timedelta(days=1)), OK, "none is due"),
    reviewed_meanwhile=(reviewed_again, OK, "none is due"),
    a_metric_that_is_not_exported=(
        lambda w: measured(w, without="db_connections_max"),
        NO_DATA,
        "DBConnectionPoolExhausted",
    ),
    nothing=(lambda w: None, NO_DATA, "had no value"),
)


@pytest.mark.parametrize("case", THRESHOLDS)
def test_thresholds(case: str, world: World) -> None:
    fill, verdict, words = THRESHOLDS[case]
    fill(world)

    found = world.ask("thresholds", WEEK)

    assert (found.verdict, words in says(found)) == (verdict, True), found


def test_a_rule_that_was_over_for_a_known_time_is_over_in_that_share_of_the_samples(world: World) -> None:
    from lib.metrics.duckdb import DuckMetrics

    assert isinstance(world.stores.metrics, DuckMetrics)
    world.stores.metrics.append(metric_samples())  # three hours in which ZoomInfo's syncs fail 30 times a minute

    found = world.ask("thresholds", WEEK)

    assert "LeadSyncFailures: 100 %" in found.detail
    assert "QueueBacklog: 0 %" in found.detail


def refusals(world: World, count: int, *, route: str = "/webhooks/halopsa", within: timedelta = 10 * MINUTE) -> None:
    world.requests(7 * DAY, 0 * DAY, HOUR)
    rows = [record(at, message="HTTP Request", pattern="HTTP Request", method="POST", route=route, status=401,
                   duration_ms=5.0, id=f"refused-{n}-{route}")
            for n, at in enumerate(moments(2 * HOUR, 2 * HOUR - within, within / count))]  # fmt: skip
    world.logs(rows)


def told_of_secrets(world: World) -> None:
    from dataclasses import replace

    refusals(world, 3)
    world.watch()
    assert world.status is not None
    world.status = replace(world.status, tail={"redacted": 4})


SECURITY = cases(
    a_few_refusals=(lambda w: refusals(w, 5), OK, "5 refused requests, none in bursts"),
    a_burst=(lambda w: refusals(w, 30), LOOK, "30 refused in 1 bursts"),
    a_storm=(lambda w: refusals(w, 80), BAD, "80 refused in 1 bursts"),
    spread_over_days=(lambda w: refusals(w, 60, within=110 * MINUTE), OK, "none in bursts"),
    a_failed_sign_in=(lambda w: refusals(w, 1, route="/auth/login"), LOOK, "1 failed sign-ins"),
    secrets_in_the_log=(told_of_secrets, LOOK, "4 credentials were taken out of log lines"),
    nothing=(lambda w: None, NO_DATA, "no request from this period"),
)


@pytest.mark.parametrize("case", SECURITY)
def test_security_events(case: str, world: World) -> None:
    fill, verdict, words = SECURITY[case]
    fill(world)

    found = world.ask("security_events", WEEK)

    assert (found.verdict, words in says(found)) == (verdict, True), found


def test_user_agents_that_the_week_before_has_not_are_listed(world: World) -> None:
    for since, until, agent in ((17, 8, "known/1"), (8, 0, "known/1"), (1, 0, "sqlmap/9")):
        world.requests(since * DAY, until * DAY, 6 * HOUR, fields=f'{{"userAgent":"{agent}"}}')

    detail = world.ask("security_events", WEEK, now=NOW).detail

    assert "new user agent: sqlmap/9 (4)" in detail
    assert "known/1" not in detail


def test_what_admins_did_is_counted_by_action(world: World) -> None:
    now = datetime.now(UTC)  # the audit keeps its own time
    world.logs([record(now - HOUR, message="HTTP Request", pattern="p", route="/", status=200, duration_ms=1.0)])
    for role in (Role.ADMIN, Role.ADMIN, Role.OPERATOR):
        audit.act(world.state, Actor("anna", role, Via.NAME), audit.Deed(Action.REVEAL, "record 7"))

    detail = world.ask("security_events", Window(now - 7 * DAY, now + DAY), now=now + MINUTE).detail

    assert "admin actions: personal_data.reveal (2)" in detail
