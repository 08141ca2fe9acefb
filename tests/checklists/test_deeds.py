"""What people do in a run, on both databases: kept at once with who, when and what they saw; stale acts are refused."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import text

from lib.checklists import deeds, questions, runs, versions
from lib.checklists.model import ItemState, Kind, Run, RunItem, RunState, Stale, Verdict
from lib.errors import OpsError, Refused, SourceUnavailable
from lib.state.audit import Deed
from lib.state.database import State
from tests.checklists.world import ANNA, BORIS, DAILY, LONDON, NOW, SEEN, VERA, act, at, item, opened

LATER = at("2026-03-02 09:30")


def tick(state: State, run: Run, key: str = "errors", note: str = "") -> None:
    act(state, deeds.tick(run, item(state, run, key), SEEN, note, clock=lambda: LATER))


def test_a_tick_is_kept_with_who_when_and_the_evidence_as_it_stood(state: State) -> None:
    run = opened(state)

    tick(state, run, note="looks fine")

    found = item(state, run)
    assert found.state is ItemState.DONE
    assert found.last is not None
    assert (found.last.who, found.last.at, found.last.words) == (BORIS.name, LATER, "looks fine")
    assert found.last.evidence == SEEN
    assert questions.items(state, run.id, LATER)[0].done == 1


def test_a_skip_needs_a_reason_and_keeps_it(state: State) -> None:
    run = opened(state)
    with pytest.raises(Stale, match="write why"):
        deeds.skip(run, item(state, run), "  ")

    act(state, deeds.skip(run, item(state, run), "no backup on holidays", clock=lambda: LATER))

    found = item(state, run)
    assert (found.state, found.last and found.last.words) == (ItemState.SKIPPED, "no backup on holidays")


def test_an_undo_opens_the_item_again_and_overwrites_nothing(state: State) -> None:
    run = opened(state)
    tick(state, run)

    act(state, deeds.undo(run, item(state, run), clock=lambda: LATER), ANNA)

    told = questions.journal(state, run.id)
    assert [(one.kind, one.who) for one in told] == [(Kind.TICK, BORIS.name), (Kind.UNDO, ANNA.name)]
    assert item(state, run).state is ItemState.OPEN
    assert questions.items(state, run.id, LATER)[0].settled == 0


def test_who_acts_on_a_stale_item_is_told_what_happened_and_nothing_is_done(state: State) -> None:
    run = opened(state)
    seen_by_both = item(state, run)
    act(state, deeds.tick(run, seen_by_both, SEEN, "looks fine", clock=lambda: LATER))

    with pytest.raises(Stale, match=r"^boris@example.com ticked it at 09:30 \(looks fine\)$"):
        act(state, deeds.skip(run, seen_by_both, "later", clock=lambda: LATER), ANNA)

    assert item(state, run).state is ItemState.DONE
    assert len(questions.journal(state, run.id)) == 1


def test_two_who_tick_at_the_same_moment_leave_one_tick(state: State) -> None:
    run = opened(state)
    seen, told = item(state, run), list[object]()
    barrier = threading.Barrier(2)

    def click() -> None:
        barrier.wait()
        try:
            act(state, deeds.tick(run, seen, SEEN, clock=lambda: LATER))
            told.append("done")
        except OpsError as error:
            told.append(type(error))

    threads = [threading.Thread(target=click) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(str, told)) == sorted(["done", str(Stale)])
    assert len(questions.journal(state, run.id)) == 1
    assert questions.items(state, run.id, LATER)[0].done == 1


def test_notes_of_two_are_both_kept(state: State) -> None:
    run = opened(state)
    seen = item(state, run)

    act(state, deeds.note(run, seen, "from Boris", clock=lambda: LATER))
    act(state, deeds.note(run, seen, "from Anna", clock=lambda: LATER), ANNA)

    assert [one.words for one in item(state, run).notes] == ["from Boris", "from Anna"]


def test_a_credential_in_a_note_or_a_reason_is_not_kept_and_a_nul_breaks_nothing(state: State) -> None:
    run = opened(state)

    act(state, deeds.note(run, item(state, run), "see https://ops:hunter2canary@db/x\x00 漢字", clock=lambda: LATER))
    act(state, deeds.skip(run, item(state, run), "password: canary2canary", clock=lambda: LATER))

    told = [one.words for one in questions.journal(state, run.id)]
    assert told == ["see https://[REDACTED]@db/x␀ 漢字", "password: [REDACTED]"]


def test_an_item_is_the_owners_until_it_is_given_to_another(state: State) -> None:
    run = opened(state)
    seen = item(state, run)
    assert seen.assignee == "ops"

    act(state, deeds.assign(run, seen, "anna", clock=lambda: LATER))

    assert item(state, run).assignee == "anna"
    with pytest.raises(Stale, match="anna has it by now"):
        act(state, deeds.assign(run, seen, "carl", clock=lambda: LATER))


def test_a_closed_run_says_so_and_changes_no_more_also_before_the_worker_closes_it(state: State) -> None:
    run = opened(state)
    after = at("2026-03-03 00:00")

    with pytest.raises(Stale, match="closed since 03 Mar 00:00: nothing can be changed"):
        act(state, deeds.tick(run, item(state, run), SEEN, clock=lambda: after))

    assert questions.journal(state, run.id) == []
    assert item(state, run, now=after).state is ItemState.MISSED


def test_a_run_is_signed_off_when_nothing_is_left_and_then_stands_still(state: State) -> None:
    run = opened(state)
    tick(state, run)
    with pytest.raises(Stale, match="1 of 2 items is not done"):
        act(state, deeds.sign_off(run, clock=lambda: LATER), ANNA)
    act(state, deeds.skip(run, item(state, run, "backup"), "none today", clock=lambda: LATER))

    act(state, deeds.sign_off(run, "all good", clock=lambda: LATER), ANNA)

    signed = questions.items(state, run.id, LATER)[0]
    assert (signed.signed_by, signed.signed_at) == (ANNA.name, LATER)
    with pytest.raises(Stale, match=r"anna@example\.com signed it off at 09:30"):
        act(state, deeds.sign_off(run, clock=lambda: LATER))
    with pytest.raises(Stale, match="withdraw that first"):
        act(state, deeds.undo(run, item(state, run), clock=lambda: LATER))


def test_a_withdrawn_sign_off_needs_a_reason_and_stays_on_record(state: State) -> None:
    run = opened(state)
    tick(state, run)
    tick(state, run, "backup")
    act(state, deeds.sign_off(run, clock=lambda: LATER))
    with pytest.raises(Stale, match="write why"):
        deeds.withdraw(run, "")

    act(state, deeds.withdraw(run, "the backup failed", clock=lambda: LATER))
    act(state, deeds.undo(run, item(state, run, "backup"), clock=lambda: LATER))

    kinds = [one.kind for one in questions.journal(state, run.id)]
    assert kinds == [Kind.TICK, Kind.TICK, Kind.SIGN, Kind.UNSIGN, Kind.UNDO]
    assert questions.items(state, run.id, LATER)[0].signed_by == ""


def test_a_done_run_may_be_signed_off_after_its_end(state: State) -> None:
    run = opened(state)
    tick(state, run)
    tick(state, run, "backup")
    opened(state, at("2026-03-03 08:00"))

    act(state, deeds.sign_off(run, clock=lambda: at("2026-03-03 08:05")), ANNA)

    signed, _ = questions.items(state, run.id, at("2026-03-03 08:05"))
    assert (signed.state, signed.signed_by) == (RunState.DONE, ANNA.name)


Make = Callable[[Run, RunItem], Deed]
ACTS: dict[str, Make] = {
    "tick": lambda run, one: deeds.tick(run, one, SEEN),
    "skip": lambda run, one: deeds.skip(run, one, "why"),
    "undo": deeds.undo,
    "note": lambda run, one: deeds.note(run, one, "words"),
    "assign": lambda run, one: deeds.assign(run, one, "anna"),
    "sign off": lambda run, one: deeds.sign_off(run),
    "withdraw": lambda run, one: deeds.withdraw(run, "why"),
}


@pytest.mark.parametrize("name", ACTS)
def test_a_viewer_may_do_nothing_of_it(state: State, name: str) -> None:
    run = opened(state)

    with pytest.raises(Refused, match="needs the role operator"):
        act(state, ACTS[name](run, item(state, run)), VERA)

    assert questions.journal(state, run.id) == []


def test_only_an_admin_edits_a_checklist(state: State) -> None:
    history = versions.history(state, {"daily": DAILY})
    text = history.versions["daily"][0].yaml

    for deed in (versions.save(text, 0, history=history), versions.remove("daily", 0)):
        with pytest.raises(Refused, match="needs the role admin"):
            act(state, deed, BORIS)

    assert [v.version for v in versions.history(state, {"daily": DAILY}).versions["daily"]] == [0]


@pytest.mark.parametrize("statement", ["UPDATE checklist_event SET who = 'eve'", "DELETE FROM checklist_event"])
def test_the_database_refuses_to_change_or_drop_what_was_done(state: State, statement: str) -> None:
    run = opened(state)
    tick(state, run)

    with pytest.raises(SourceUnavailable, match="append-only"), state.connected() as connection:
        connection.execute(text(statement))

    assert item(state, run).state is ItemState.DONE


def test_a_text_of_any_kind_comes_back_as_it_was(state: State) -> None:
    run = opened(state)
    words = "=cmd|'/c calc'!A0 \u202e <b>é漢字🩺</b> \\ \" '"

    tick(state, run, note=words)

    found = item(state, run).last
    assert found is not None and found.words == words


def test_evidence_of_another_version_is_read_as_far_as_it_is_known(state: State) -> None:
    kept = SEEN.as_json() | {"verdict": "wonderful", "more": 1}
    del kept["normal"]

    read = type(SEEN).from_json(kept)

    assert (read.value, read.normal, read.verdict) == (SEEN.value, "", Verdict.NO_DATA)


def test_a_tick_while_the_run_is_opened_anew_counts_once(state: State) -> None:
    run = opened(state)
    tick(state, run)

    runs.keep(state, versions.history(state, {"daily": DAILY}), LONDON, NOW)

    assert questions.items(state, run.id, LATER)[0].done == 1
