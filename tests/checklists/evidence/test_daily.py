"""The five daily evidences, each on ok, look, bad and no data."""

from __future__ import annotations

import os

import numpy as np
import pytest

from lib.checklists.model import Verdict
from lib.settings import Settings
from tests.checklists.evidence.world import DAY, HOUR, MINUTE, NOW, TODAY, World, cases, says, seen

OK, LOOK, BAD, NO_DATA = Verdict.OK, Verdict.LOOK, Verdict.BAD, Verdict.NO_DATA


def old_errors(world: World) -> None:
    world.errors(3 * DAY, HOUR, 2 * HOUR, "old text")


def new_errors(world: World, count: int) -> None:
    old_errors(world)
    for number in range(count):
        world.errors(HOUR, 50 * MINUTE, 10 * MINUTE, f"new text {number}")


NEW_PATTERNS = cases(
    only_old_ones=(old_errors, OK, "0 new patterns since 2026-03-01"),
    one_that_never_was=(lambda w: new_errors(w, 1), LOOK, "1 new pattern since"),
    many=(lambda w: new_errors(w, 10), BAD, "10 new patterns"),
    a_young_log=(lambda w: w.errors(5 * HOUR, HOUR, HOUR, "text"), NO_DATA, "begins only at"),
    a_log_that_stands_still=(lambda w: w.errors(5 * DAY, 4 * DAY, HOUR, "text"), NO_DATA, "no record from after"),
    an_empty_log=(lambda w: None, NO_DATA, "no record"),
)


@pytest.mark.parametrize("case", NEW_PATTERNS)
def test_new_error_patterns(case: str, world: World) -> None:
    fill, verdict, words = NEW_PATTERNS[case]
    fill(world)

    found = world.ask("new_error_patterns")

    assert (found.verdict, words in says(found)) == (verdict, True), found


def test_a_pattern_is_new_against_the_last_tick_and_no_longer(world: World) -> None:
    new_errors(world, 2)

    before = world.ask("new_error_patterns", previous=seen(0, NOW - 2 * HOUR))
    after = world.ask("new_error_patterns", previous=seen(2, NOW - 30 * MINUTE))

    assert (before.number, before.verdict) == (2, LOOK)
    assert (after.number, after.verdict) == (None, NO_DATA)  # nothing was logged since: nobody knows
    world.errors(20 * MINUTE, 10 * MINUTE, 10 * MINUTE, "old text")
    assert world.ask("new_error_patterns", previous=seen(2, NOW - 30 * MINUTE)).verdict is OK


def test_the_link_leads_to_the_errors_since_the_last_tick(world: World) -> None:
    new_errors(world, 1)

    found = world.ask("new_error_patterns", previous=seen(0, NOW - 2 * HOUR))

    assert found.link == "errors?range=2026-03-02T10:00Z/2026-03-02T12:01Z"
    assert found.detail == "1 × new text 0"


def used(world: World, *, cpu: float = 0.2, memory_mib: float = 200, disk_free: float = 0.5, lag_ms: float = 5) -> None:
    world.metric("process_cpu_seconds_total", lambda t: t * cpu)
    world.metric("process_resident_memory_bytes", memory_mib * 2**20)
    world.metric("nodejs_eventloop_lag_seconds", lag_ms / 1000)
    world.disk(disk_free)


def without_lag(world: World) -> None:
    world.metric("process_cpu_seconds_total", lambda t: t * 0.1)
    world.metric("process_resident_memory_bytes", 2**27)
    world.disk(0.5)


def of_a_host(world: World, free: float) -> None:
    used(world)
    world.metric("node_filesystem_avail_bytes", free, mountpoint="/var", fstype="ext4")
    world.metric("node_filesystem_size_bytes", 1.0, mountpoint="/var", fstype="ext4")
    world.metric("node_filesystem_avail_bytes", 0.0, mountpoint="/run", fstype="tmpfs")
    world.metric("node_filesystem_size_bytes", 1.0, mountpoint="/run", fstype="tmpfs")


def with_a_memory_limit(world: World) -> None:
    used(world, memory_mib=480)
    world.settings = Settings(service_memory_mib=512)


RESOURCES = cases(
    all_small=(used, OK, "CPU 20 %, memory 200 MiB"),
    a_busy_processor=(lambda w: used(w, cpu=0.75), LOOK, "CPU 75 %"),
    a_spinning_processor=(lambda w: used(w, cpu=0.97), BAD, "CPU 97 %"),
    a_full_disk=(lambda w: used(w, disk_free=0.04), BAD, "disk /data 96 %"),
    a_filling_disk=(lambda w: used(w, disk_free=0.15), LOOK, "disk /data 85 %"),
    memory_near_its_limit=(with_a_memory_limit, BAD, "memory 480 of 512 MiB"),
    a_blocked_event_loop=(lambda w: used(w, lag_ms=600), BAD, "lag 600 ms"),
    the_hosts_disk_by_node_exporter=(lambda w: of_a_host(w, 0.05), BAD, "disk /var (host) 95 %"),
    no_lag_exported=(without_lag, NO_DATA, "event-loop lag was not scraped"),
    nothing=(lambda w: None, NO_DATA, "process_cpu_seconds_total was not scraped"),
)


@pytest.mark.parametrize("case", RESOURCES)
def test_resources(case: str, world: World) -> None:
    fill, verdict, words = RESOURCES[case]
    fill(world)

    found = world.ask("resources")

    assert (found.verdict, words in says(found)) == (verdict, True), found


def test_what_is_bad_is_said_before_what_is_not_known(world: World) -> None:
    world.disk(0.01)

    found = world.ask("resources")

    assert found.verdict is BAD
    assert found.reason.startswith("disk /data 99 %")
    assert "CPU" in found.reason


def test_the_disks_of_now_say_nothing_of_a_period_that_is_past(world: World) -> None:
    used(world)

    found = world.ask("resources", now=NOW + 20 * DAY)

    assert (found.verdict, "no mount is known" in found.reason) == (NO_DATA, True)


def told(world: World, age_h: float) -> None:
    world.metric("backup_last_success_timestamp_seconds", NOW.timestamp() - age_h * 3600)


def as_files(world: World, age_h: float) -> None:
    file = world.settings.data_dir / "crm.dump"
    file.write_bytes(b"x" * 100)
    os.utime(file, (NOW.timestamp() - age_h * 3600,) * 2)
    world.settings = Settings(backup_files=(str(file.parent / "*.dump"),))


def never_sent(world: World) -> None:
    world.heartbeat(HOUR)
    world.settings = Settings(heartbeat_token="t" * 24, heartbeats=("backup-other=24h",), backup_metric="")  # type: ignore[arg-type]


def two_ways(world: World) -> None:
    as_files(world, 60)
    told(world, 1)


def one_way_is_silent(world: World) -> None:
    world.heartbeat(HOUR)
    world.settings = world.settings.model_copy(update={"backup_files": ("/nowhere/*.dump",)})


BACKUP = cases(
    last_night=(lambda w: told(w, 10), OK, "10 h old"),
    one_night_missed=(lambda w: told(w, 30), LOOK, "1 d 6 h old"),
    two_nights_missed=(lambda w: told(w, 60), BAD, "2 d 12 h old"),
    an_age_instead_of_a_time=(lambda w: w.metric("backup_last_success_timestamp_seconds", 3600), OK, "1 h old"),
    files_of_last_night=(lambda w: as_files(w, 5), OK, "5 h old"),
    files_of_last_week=(lambda w: as_files(w, 170), BAD, "files: 7 d 2 h old"),
    a_heartbeat=(lambda w: w.heartbeat(20 * HOUR), OK, "20 h old"),
    a_heartbeat_in_its_grace=(lambda w: w.heartbeat(25 * HOUR), OK, "1 d 1 h old"),
    a_late_heartbeat=(lambda w: w.heartbeat(27 * HOUR), LOOK, "late"),
    a_very_late_heartbeat=(lambda w: w.heartbeat(51 * HOUR), BAD, "late"),
    a_heartbeat_that_never_came=(never_sent, NO_DATA, "never heard of"),
    two_ways_that_disagree=(two_ways, BAD, "files: 2 d 12 h old"),
    a_way_that_tells_nothing=(one_way_is_silent, NO_DATA, "files: no file matches"),
    nothing=(lambda w: None, NO_DATA, "no sample of it"),
    a_gauge_that_nobody_set=(lambda w: w.metric("backup_last_success_timestamp_seconds", 0), NO_DATA, "no backup was told of yet"),
    a_time_in_the_future=(lambda w: told(w, -48), NO_DATA, "in the future"),
)  # fmt: skip


@pytest.mark.parametrize("case", BACKUP)
def test_backup(case: str, world: World) -> None:
    fill, verdict, words = BACKUP[case]
    fill(world)

    found = world.ask("backup")

    assert (found.verdict, words in says(found)) == (verdict, True), found


def queue(world: World, items: float, per_min: float = 0) -> None:
    world.metric("queue_size", lambda t: items + (t - t[-1]) / 60 * per_min, since=3 * HOUR, queue_name="lead_sync")


def emptied(world: World) -> None:
    """Filled up for an hour, and worked off in the last ten minutes."""
    world.metric(
        "queue_size", lambda t: np.interp(t - t[-1], [-4200, -600, -300], [0, 900, 20]), since=3 * HOUR, queue_name="lead_sync"
    )  # fmt: skip


QUEUES = cases(
    nearly_empty=(lambda w: queue(w, 20), OK, "lead_sync: 20 items"),
    half_full=(lambda w: queue(w, 600), LOOK, "lead_sync: 600 items"),
    over_its_limit=(lambda w: queue(w, 1200), BAD, "1 200 items"),
    growing_towards_it=(lambda w: queue(w, 400, per_min=2), LOOK, "at 1 000 in 5 h"),
    growing_slowly=(lambda w: queue(w, 40, per_min=0.05), OK, "no queue fills up"),
    emptied_again=(emptied, OK, "no queue fills up"),
    shrinking=(lambda w: queue(w, 300, per_min=-2), OK, "no queue fills up"),
    nothing=(lambda w: None, NO_DATA, "queue_size was not scraped"),
)


@pytest.mark.parametrize("case", QUEUES)
def test_queue_depths(case: str, world: World) -> None:
    fill, verdict, words = QUEUES[case]
    fill(world)

    found = world.ask("queue_depths")

    assert (found.verdict, words in says(found)) == (verdict, True), found


def two_days(world: World, now_ms: float, before_ms: float = 100, failed_each: int = 0) -> None:
    world.requests(2 * DAY, DAY, 10 * MINUTE, duration_ms=before_ms)
    world.requests(DAY, DAY * 0, 10 * MINUTE, duration_ms=now_ms)
    if failed_each:
        world.requests(DAY, DAY * 0, failed_each * MINUTE, duration_ms=now_ms, status=500)


PERFORMANCE = cases(
    as_yesterday=(lambda w: two_days(w, 101), OK, "as fast as yesterday"),
    slower_than_yesterday=(lambda w: two_days(w, 150), LOOK, "against the day before"),
    faster_than_yesterday=(lambda w: two_days(w, 50), OK, "as fast as yesterday"),
    slow=(lambda w: two_days(w, 1500, 1500), LOOK, "p95 1 496 ms"),
    very_slow=(lambda w: two_days(w, 3000, 3000), BAD, "p95"),
    some_fail=(lambda w: two_days(w, 100, failed_each=400), LOOK, "% failed"),
    more_fail_than_yesterday=(
        lambda w: two_days(w, 100, failed_each=1440),
        LOOK,
        "requests failed, none the day before",
    ),
    many_fail=(lambda w: two_days(w, 100, failed_each=20), BAD, "% failed"),
    no_yesterday=(lambda w: w.requests(DAY, 0 * DAY, HOUR), NO_DATA, "no comparison"),
    nothing=(lambda w: None, NO_DATA, "no request from the last 24 hours"),
)


@pytest.mark.parametrize("case", PERFORMANCE)
def test_performance(case: str, world: World) -> None:
    fill, verdict, words = PERFORMANCE[case]
    fill(world)

    found = world.ask("performance", TODAY)

    assert (found.verdict, words in says(found)) == (verdict, True), found


def test_limits_of_the_checklist_override_the_usual_ones(world: World) -> None:
    queue(world, 20)

    assert world.ask("queue_depths", look=10).verdict is LOOK
    assert world.ask("queue_depths", look=5, bad=15).verdict is BAD
