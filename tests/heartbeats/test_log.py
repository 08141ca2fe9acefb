"""Heartbeats as they are kept, on either database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lib.heartbeats.expected import Expected, Standing
from lib.heartbeats.log import Beat, HeartbeatLog
from lib.state.database import State

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
BACKUP = Expected("backup", 24 * HOUR, 2 * HOUR)
REPORT = Expected("report", HOUR)


def test_the_last_of_each_name_tells_how_it_stands(state: State) -> None:
    log = HeartbeatLog(state)
    log.add("backup", NOW - 30 * HOUR, Beat(1024, 60))
    log.add("backup", NOW - 27 * HOUR, Beat(2048, 61.5, "all well"))

    late, never = log.standing((BACKUP, REPORT), NOW)

    assert (late.standing, late.last_at, late.size_bytes, late.duration_s, late.message) == (
        Standing.LATE, NOW - 27 * HOUR, 2048, 61.5, "all well",
    )  # fmt: skip
    assert (never.standing, never.last_at, never.age_s(NOW)) == (Standing.NEVER, None, None)


def test_how_one_stood_at_an_earlier_moment_is_read_off_its_history(state: State) -> None:
    log = HeartbeatLog(state)
    for hours in (50, 3):
        log.add("backup", NOW - hours * HOUR, Beat())

    now, then, before = (log.standing((BACKUP,), NOW - hours * HOUR)[0] for hours in (0, 10, 60))

    assert (now.standing, now.last_at) == (Standing.ON_TIME, NOW - 3 * HOUR)
    assert (then.standing, then.last_at) == (Standing.LATE, NOW - 50 * HOUR)
    assert before.standing is Standing.NEVER


def test_a_clock_that_was_put_back_does_not_make_it_older(state: State) -> None:
    log = HeartbeatLog(state)
    log.add("backup", NOW, Beat())
    log.add("backup", NOW - HOUR, Beat())

    assert log.standing((BACKUP,), NOW)[0].last_at == NOW


def test_the_history_is_newest_first_and_an_empty_one_has_its_columns(state: State) -> None:
    log = HeartbeatLog(state)
    empty = log.history()
    log.add("backup", NOW - HOUR, Beat(1))
    log.add("report", NOW, Beat())

    assert list(empty.columns) == list(log.history().columns)
    assert str(empty["at"].dtype) == "datetime64[ns, UTC]"
    assert log.history()["name"].tolist() == ["report", "backup"]
    assert log.history("backup")["size_bytes"].tolist() == [1]


def test_retention_drops_the_history_and_keeps_the_last(state: State) -> None:
    log = HeartbeatLog(state)
    for hours in (50, 3):
        log.add("backup", NOW - hours * HOUR, Beat())

    dropped = log.retain(NOW - HOUR)

    assert dropped == 2
    assert log.history().empty
    assert log.standing((BACKUP,), NOW)[0].last_at == NOW - 3 * HOUR


def test_a_credential_in_a_message_is_not_kept(state: State) -> None:
    log = HeartbeatLog(state)
    log.add("backup", NOW, Beat(message="dumped postgres://ops:hunter2canary@db/crm"))

    assert "canary" not in log.standing((BACKUP,), NOW)[0].message
    assert "canary" not in log.history()["message"].iloc[0]
