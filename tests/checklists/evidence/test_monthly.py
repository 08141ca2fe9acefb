"""The five monthly evidences, each on ok, look, bad and no data."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from lib.checklists.evidence import Around, collect
from lib.checklists.model import Verdict
from lib.checklists.tables import RunRow
from lib.identity.roles import Action, Actor, Role, Via
from lib.settings import Settings
from lib.state import audit
from lib.window import Window
from tests.checklists.evidence.test_weekly import kept
from tests.checklists.evidence.world import DAY, HOUR, MINUTE, MONTH, NOW, World, cases, says, seen
from tests.seed import record

OK, LOOK, BAD, NO_DATA = Verdict.OK, Verdict.LOOK, Verdict.BAD, Verdict.NO_DATA


def two_months(world: World, *, now_each: timedelta = 6 * HOUR, now_ms: float = 100, unparsed: int = 0) -> None:
    world.requests(62 * DAY, 31 * DAY, 6 * HOUR)
    world.requests(31 * DAY, 0 * DAY, now_each, duration_ms=now_ms)
    world.logs([record(NOW - 2 * DAY - n * MINUTE, "UNPARSED", reason="not JSON") for n in range(unparsed)])


ANALYSIS = cases(
    as_before=(two_months, OK, "volume +0 %"),
    much_more=(lambda w: two_months(w, now_each=3 * HOUR), LOOK, "volume +100 %"),
    silence=(lambda w: two_months(w, now_each=24 * HOUR), LOOK, "volume -75 %"),
    some_lines_not_read=(lambda w: two_months(w, unparsed=3), LOOK, "could not be read"),
    many_lines_not_read=(lambda w: two_months(w, unparsed=12), BAD, "could not be read"),
    a_young_log=(lambda w: w.requests(3 * DAY, 0 * DAY, HOUR), NO_DATA, "does not reach back"),
    an_empty_log=(lambda w: None, NO_DATA, "the log is empty"),
)


@pytest.mark.parametrize("case", ANALYSIS)
def test_log_analysis(case: str, world: World) -> None:
    fill, verdict, words = ANALYSIS[case]
    fill(world)

    found = world.ask("log_analysis", MONTH)

    assert (found.verdict, words in says(found)) == (verdict, True), found


BENCHMARK = cases(
    as_before=(two_months, OK, "+0 %"),
    slower=(lambda w: two_months(w, now_ms=130), LOOK, "against the period before"),
    much_slower=(lambda w: two_months(w, now_ms=200), BAD, "against the period before"),
    a_young_log=(lambda w: w.requests(3 * DAY, 0 * DAY, HOUR), NO_DATA, "nothing to compare with"),
    nothing=(lambda w: None, NO_DATA, "no request"),
)


@pytest.mark.parametrize("case", BENCHMARK)
def test_benchmark(case: str, world: World) -> None:
    fill, verdict, words = BENCHMARK[case]
    fill(world)

    found = world.ask("benchmark", MONTH)

    assert (found.verdict, words in says(found)) == (verdict, True), found


def test_where_the_log_is_too_short_the_figure_of_the_last_tick_is_compared_with(world: World) -> None:
    world.requests(20 * DAY, 0 * DAY, HOUR, duration_ms=150)

    earlier = world.ask("benchmark", MONTH, previous=seen(100, NOW - 40 * DAY))
    this_month = world.ask("benchmark", MONTH, previous=seen(100, NOW - 2 * DAY))

    assert (earlier.verdict, "against the tick of 2026-01-21" in earlier.reason) == (LOOK, True)
    assert this_month.verdict is NO_DATA  # a tick of this month is not another month


def test_the_texts_of_the_month_are_listed_and_none_is_called_new_where_the_log_begins_later(world: World) -> None:
    two_months(world)
    world.errors(2 * DAY, DAY, HOUR, "HaloPSA rejected grace@acme.example")
    young = world.ask("log_analysis", Window(NOW - 90 * DAY, NOW + DAY))

    detail = world.ask("log_analysis", MONTH).detail

    assert "texts: 2, 1 of them never seen before" in detail
    assert "24 × HaloPSA rejected g***@acme.example" in detail
    assert "cannot be told: the log begins later" in young.detail


def set_up(**given: object) -> object:
    def fill(world: World) -> None:
        world.settings = Settings(data_dir=world.settings.data_dir, **given)  # type: ignore[arg-type]

    return fill


SECURITY = cases(
    at_home=(lambda w: None, OK, "every check is ok"),
    plain_http=(set_up(scrape_targets=("http://crm.example/metrics",)), LOOK, "asked over plain http"),  # type: ignore[arg-type]
    no_certificate_check=(set_up(es_verify=False), BAD, "is not checked"),  # type: ignore[arg-type]
    everybody_is_admin=(set_up(sign_in="proxy", proxy_secret="s" * 24, default_role="admin"), BAD, "is an admin"),  # type: ignore[arg-type]
    nobody_is_admin=(set_up(sign_in="proxy", proxy_secret="s" * 24), LOOK, "nobody is an admin"),  # type: ignore[arg-type]
)  # fmt: skip


@pytest.mark.parametrize("case", SECURITY)
def test_security(case: str, world: World) -> None:
    fill, verdict, words = SECURITY[case]
    fill(world)

    found = world.ask("security", MONTH)

    assert (found.verdict, words in says(found)) == (verdict, True), found


def test_security_without_settings_is_no_data(world: World) -> None:
    found = collect("security", world.stores, MONTH, None, {}, around=Around(state=world.state, now=NOW))

    assert (found.verdict, found.value) == (NO_DATA, "–")
    assert found.reason == "the settings are not known here"


def runs(world: World, done: int, skipped: int = 0, total: int = 20, age: timedelta = DAY) -> None:
    kept(world, 20)
    _run(world, done, skipped, total, age)


def _run(world: World, done: int, skipped: int, total: int, age: timedelta) -> None:
    ends, missed = NOW - age, total - done - skipped
    with world.state.writing() as session:
        session.add(RunRow(
            checklist="daily", title="Daily checks", period="day", version=0, zone="UTC", first_day=date(2026, 3, 1),
            last_day=date(2026, 3, 1), starts_at=ends - DAY, ends_at=ends, opened_at=ends - DAY, closed_at=ends,
            state="done" if not missed else "partial", items=[], total=total, done=done, skipped=skipped, missed=missed,
        ))  # fmt: skip


def not_kept(world: World) -> None:
    kept(world, 60)
    _run(world, 20, 0, 20, DAY)


def without_a_collection(world: World) -> None:
    runs(world, 20)
    world.status = None


COMPLIANCE = cases(
    all_done=(lambda w: runs(w, 18, 2), OK, "100 % done"),
    some_missed=(lambda w: runs(w, 18), LOOK, "2 of 20 items were missed | 90 % done"),
    many_missed=(lambda w: runs(w, 10), BAD, "10 of 20 items were missed | 50 % done"),
    retention_not_kept=(not_kept, LOOK, "retention, Log records"),
    retention_not_known=(without_a_collection, NO_DATA, "retention, Hourly retention: no collection runs"),
    only_a_run_of_long_ago=(lambda w: runs(w, 20, age=80 * DAY), NO_DATA, "no checklist run ended"),
    nothing=(lambda w: None, NO_DATA, "no checklist run ended"),
)


@pytest.mark.parametrize("case", COMPLIANCE)
def test_compliance(case: str, world: World) -> None:
    fill, verdict, words = COMPLIANCE[case]
    fill(world)

    found = world.ask("compliance", MONTH)

    assert (found.verdict, words in says(found)) == (verdict, True), found


def test_every_reveal_is_counted_by_who_made_it(world: World) -> None:
    runs(world, 20)
    for who in ("anna", "boris", "anna"):
        audit.act(world.state, Actor(who, Role.OPERATOR, Via.NAME), audit.Deed(Action.REVEAL, "record 7"))
    from datetime import UTC, datetime

    now = datetime.now(UTC)  # the audit keeps its own time
    window = type(MONTH)(now - 30 * DAY, now + DAY)

    assert "reveals: 3 (anna: 2, boris: 1)" in world.ask("compliance", window, now=now + MINUTE).detail


def disk(world: World, days_left: float) -> None:
    """A disk of 100 GiB that loses as much a day as leaves it full in so many days."""
    free, gone = 50 * 2**30, 50 * 2**30 / days_left / 86400
    world.metric(
        "halo_ops_disk_free_bytes", lambda t: free + (t[-1] - t) * gone, since=28 * DAY, every=5 * MINUTE, mount="/data"
    )


def noisy(world: World) -> None:
    world.metric("halo_ops_disk_free_bytes", lambda t: 5e10 + 1e9 * ((t // 86400) * 7919 % 13), since=28 * DAY,
                 every=5 * MINUTE, mount="/data")  # fmt: skip


CAPACITY = cases(
    far_away=(lambda w: disk(w, 200), OK, "200 days to the nearest limit"),
    in_six_weeks=(lambda w: disk(w, 40), LOOK, "Free on /data: 40 days to its limit (40 to 40)"),
    in_a_week=(lambda w: disk(w, 6), BAD, "Free on /data: 6 days"),
    noise_is_no_trend=(noisy, OK, "no limit in sight"),
    two_days_are_too_few=(
        lambda w: w.metric("halo_ops_disk_free_bytes", lambda t: 1e9 - t, since=2 * DAY, every=5 * MINUTE, mount="/data"),
        NO_DATA, "too few days (3; 5 are needed) | –",
    ),
    nothing=(lambda w: None, NO_DATA, "nothing that has a limit was measured"),
)  # fmt: skip


@pytest.mark.parametrize("case", CAPACITY)
def test_capacity(case: str, world: World) -> None:
    fill, verdict, words = CAPACITY[case]
    fill(world)

    found = world.ask("capacity", MONTH)

    assert (found.verdict, words in says(found)) == (verdict, True), found
