"""The history of /health on both databases: N failures, M successes, gaps, imports, retention (F15)."""

from __future__ import annotations

import json
import math
import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from lib.errors import SourceUnavailable
from lib.state.database import State, sqlite_url
from lib.state.health_sql import SqlHealthLog
from lib.state.migrate import open_state
from lib.window import Window

T0 = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TARGET = "app:3000"
Log = SqlHealthLog


def body(database: str = "healthy") -> dict[str, Any]:
    return {"status": "healthy", "version": "1.0", "uptime": 5, "checks": {"database": {"status": database}}}


@pytest.fixture
def log(state: State) -> SqlHealthLog:
    return SqlHealthLog(state)


def probe(log: Log, second: float, word: str = "healthy") -> None:
    """One probe at T0 + `second`: the database's word, or "none" for no answer."""
    at = T0 + timedelta(seconds=second)
    if word == "none":
        log.observe(TARGET, at, None, None, error="no answer in 5 s")
    else:
        log.observe(TARGET, at, 200, body(word), response_ms=7)


def history(log: Log, check: str = "database", hours: int = 24) -> list[tuple[str, float, float]]:
    """(status, since, until) of a check's episodes, in seconds from T0."""
    frame = log.episodes(Window(T0 - timedelta(hours=hours), T0 + timedelta(hours=hours)))
    rows = frame[frame["check"] == check]
    return [
        (row.status, (row.since - T0).total_seconds(), (row.until - T0).total_seconds()) for row in rows.itertuples()
    ]


def status(log: Log, check: str = "database") -> str:
    frame = log.now()
    return str(frame.loc[frame["check"] == check, "status"].item())


def test_an_empty_history_has_the_promised_columns(log: Log) -> None:
    now, episodes = log.now(), log.episodes(Window(T0, T0 + timedelta(hours=1)))

    assert list(now.columns) == [
        "target", "check", "status", "reason", "since", "last_seen", "response_ms", "version", "uptime_s", "detail",
    ]  # fmt: skip
    assert list(episodes.columns) == ["target", "check", "status", "reason", "since", "until"]
    assert str(now["last_seen"].dtype) == str(episodes["until"].dtype) == "datetime64[ns, UTC]"


def test_the_first_good_answer_is_believed_at_once(log: Log) -> None:
    probe(log, 0)

    row = log.now().set_index("check").loc["service"]
    assert (row.status, row.reason, row.response_ms, row.version, row.uptime_s) == ("healthy", "", 7, "1.0", 5)
    assert row.last_seen == T0


def test_three_failures_in_a_row_make_it_unhealthy_since_the_first(log: Log) -> None:
    words = ["healthy", "healthy", "unhealthy", "unhealthy", "unhealthy", "unhealthy"]
    seen = []
    for i, word in enumerate(words):
        probe(log, 15 * i, word)
        seen.append(status(log))

    assert seen == ["healthy"] * 4 + ["unhealthy"] * 2
    assert history(log) == [("healthy", 0, 30), ("unhealthy", 30, 75)]


def test_two_failures_and_a_success_leave_it_healthy(log: Log) -> None:
    for i, word in enumerate(["healthy", "unhealthy", "unhealthy", "healthy", "unhealthy", "unhealthy", "healthy"]):
        probe(log, 15 * i, word)

    assert history(log) == [("healthy", 0, 90)]


def test_two_successes_in_a_row_make_it_healthy_again(log: Log) -> None:
    words = ["healthy"] + ["unhealthy"] * 3 + ["healthy", "unhealthy", "healthy", "healthy"]
    for i, word in enumerate(words):
        probe(log, 15 * i, word)

    assert history(log) == [("healthy", 0, 15), ("unhealthy", 15, 90), ("healthy", 90, 105)]


def test_no_answer_makes_the_service_unhealthy_and_its_checks_unknown(log: Log) -> None:
    for i, word in enumerate(["healthy", "none", "none", "none"]):
        probe(log, 15 * i, word)

    now = log.now().set_index("check")
    assert (now.loc["service"].status, now.loc["service"].reason) == ("unhealthy", "no answer in 5 s")
    assert (now.loc["database"].status, now.loc["database"].reason) == ("unknown", "no answer in 5 s")
    assert history(log) == [("healthy", 0, 15), ("unknown", 15, 45)]


def test_a_first_failure_is_unknown_until_three_confirm_it(log: Log) -> None:
    seen = []
    for i in range(3):
        probe(log, 15 * i, "unhealthy")
        seen.append(status(log))

    assert seen == ["unknown", "unknown", "unhealthy"]
    assert history(log) == [("unhealthy", 0, 30)]


def test_a_good_answer_after_a_first_failure_is_believed_at_once(log: Log) -> None:
    probe(log, 0, "unhealthy")
    probe(log, 15)

    assert history(log) == [("unknown", 0, 15), ("healthy", 15, 15)]


def test_time_that_nobody_watched_is_not_covered(log: Log) -> None:
    probe(log, 0)
    probe(log, 45)  # three intervals: still one stretch
    probe(log, 91)  # more: the dashboard was off

    assert history(log) == [("healthy", 0, 45), ("healthy", 91, 91)]


def test_an_outage_that_outlives_a_restart_goes_on_at_once(state: State) -> None:
    first = SqlHealthLog(state)
    for i in range(3):
        probe(first, 15 * i, "unhealthy")

    again = SqlHealthLog(state)
    probe(again, 45, "unhealthy")
    assert history(again) == [("unhealthy", 0, 45)]
    probe(again, 3600, "unhealthy")
    assert status(again) == "unhealthy"


def test_a_check_that_the_service_no_longer_names_stops_there(log: Log) -> None:
    probe(log, 0)
    log.observe(TARGET, T0 + timedelta(seconds=15), 200, {"status": "healthy", "checks": {}})

    assert history(log) == [("healthy", 0, 0)]
    assert history(log, "service") == [("healthy", 0, 15)]


def test_a_clock_set_back_does_not_turn_history_over(log: Log) -> None:
    probe(log, 0)
    probe(log, -3600)

    assert history(log) == [("healthy", 0, 0)]


def test_targets_do_not_share_a_history(log: Log) -> None:
    for i in range(3):
        at = T0 + timedelta(seconds=15 * i)
        log.observe("a:1", at, 200, body())
        log.observe("b:2", at, 503, b"oops")

    now = log.now().set_index(["target", "check"])["status"]
    assert (now["a:1", "service"], now["b:2", "service"]) == ("healthy", "unhealthy")


def past(minute: int, word: str = "healthy") -> dict[str, Any]:
    ts = (T0 - timedelta(days=1) + timedelta(minutes=minute)).isoformat()
    if word == "none":
        return {"target": TARGET, "ts": ts, "status_code": None, "body": None, "error": "refused"}
    return {"target": TARGET, "ts": ts, "status_code": 200, "body": body(word)}


def day_history(log: Log) -> list[tuple[str, float, float]]:
    return [(s, since / 60 + 1440, until / 60 + 1440) for s, since, until in history(log, hours=48)]


def test_a_past_becomes_episodes_and_each_observation_counts(log: Log) -> None:
    taken = log.import_observations(past(m, "unhealthy" if m == 10 else "healthy") for m in range(0, 30, 5))

    assert taken == 6
    assert day_history(log) == [("healthy", 0, 10), ("unhealthy", 10, 15), ("healthy", 15, 25)]


def test_a_hole_in_a_past_stays_uncovered(log: Log) -> None:
    log.import_observations(past(m) for m in (0, 5, 12, 17))

    assert day_history(log) == [("healthy", 0, 5), ("healthy", 12, 17)]


def test_no_answer_in_a_past_makes_the_other_checks_unknown(log: Log) -> None:
    log.import_observations([past(0), past(5, "none"), past(10)])

    assert day_history(log) == [("healthy", 0, 5), ("unknown", 5, 10), ("healthy", 10, 10)]


def test_older_days_that_come_later_join_what_is_there(log: Log) -> None:
    log.import_observations(past(m) for m in range(60, 121, 5))
    log.import_observations(past(m) for m in range(0, 60, 5))

    assert day_history(log) == [("healthy", 0, 120)]


def test_the_same_past_twice_changes_nothing(log: Log) -> None:
    observations = [past(m, "unhealthy" if m in (10, 15) else "healthy") for m in range(0, 40, 5)]
    log.import_observations(observations)
    once = day_history(log)

    log.import_observations(reversed(observations))

    assert day_history(log) == once


def test_a_past_joins_the_live_history_and_live_goes_on(log: Log) -> None:
    probe(log, 0)
    log.import_observations([past(1430), past(1435), past(1439)])
    probe(log, 15)

    assert day_history(log) == [("healthy", 1430, 1440.25)]


def test_an_observation_without_target_or_time_is_left_out(log: Log) -> None:
    bad = [{"ts": T0.isoformat(), "status_code": 200}, {"target": "a", "ts": "soon"}, {"target": "a"}, past(0)]
    bad.append({"target": "a", "ts": "2026-03-02T12:00:00", "status_code": 200})  # no offset: which hour is that?

    assert log.import_observations(bad) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(  # two words at one moment, joined to what was known: the one that ended there comes first
    [(1, "unhealthy"), (0, "healthy"), (0, "healthy"), (0, "healthy"), (1, "healthy"), (0, "unhealthy")], 4
)
@given(
    st.lists(
        st.tuples(st.integers(0, 240), st.sampled_from(["healthy", "unhealthy", "none"])), min_size=1, max_size=25
    ),
    st.integers(1, 6),
)
def test_imported_episodes_never_overlap(tmp_path: Path, marks: list[tuple[int, str]], parts: int) -> None:
    state = open_state(sqlite_url(tmp_path / f"{uuid.uuid4()}.sqlite"))
    log = SqlHealthLog(state)
    for part in range(parts):
        log.import_observations(past(m, word) for m, word in marks[part::parts])

    rows = day_history(log)
    assert all(later[1] >= earlier[2] for earlier, later in pairwise(rows))
    state.close()


def test_a_week_of_minutes_is_imported_in_seconds(log: Log) -> None:
    assert log.import_observations(past(m - 9 * 1440) for m in range(0, 7 * 1440)) == 7 * 1440


def test_retention_drops_what_ended_before(log: Log) -> None:
    log.import_observations(past(m) for m in (0, 5, 60))
    probe(log, 0)

    dropped = log.retain(T0 - timedelta(days=1) + timedelta(minutes=30))

    assert dropped == 2  # the service's and the database's first stretch
    assert day_history(log) == [("healthy", 60, 60), ("healthy", 1440, 1440)]


def test_a_check_whose_history_was_dropped_starts_anew(log: Log) -> None:
    probe(log, 0)
    log.retain(T0 + timedelta(seconds=1))
    probe(log, 15)

    assert history(log) == [("healthy", 15, 15)]


def test_a_broken_database_is_a_source_error_and_the_history_goes_on_after(log: Log, state: State) -> None:
    probe(log, 0)
    with state.connected() as connection:
        connection.execute(text("ALTER TABLE health_episode RENAME TO away"))
    with pytest.raises(SourceUnavailable):
        probe(log, 15)
    with state.connected() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO health_episode"))

    probe(log, 30)

    assert history(log) == [("healthy", 0, 30)]


def test_details_and_times_come_back_as_they_were(log: Log) -> None:
    report = {"status": "healthy", "checks": {"database": {"status": "healthy", "response_time": 0, "cpu": 0.25}}}
    log.observe(TARGET, T0, 200, json.dumps(report).encode())

    row = log.now().set_index("check").loc["database"]
    assert json.loads(row.detail) == {"response_time": 0, "cpu": 0.25, "response_time_note": "not a latency"}
    assert math.isnan(row.response_ms)
