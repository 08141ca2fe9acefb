"""Silences and matchers: what they hit, from when until when, and that two people cannot undo each other unseen (F31)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from lib.alerts.matchers import Matcher, Op, check, exactly, from_json, hit, read, written
from lib.alerts.silences import Conflict, Silence, active, create, edit, every, expire, muting, preview
from lib.errors import QueryError, Refused
from lib.identity.roles import Actor, Role, Via
from lib.state.audit import AuditRow
from lib.state.database import State
from tests.alerts.delivery.world import World, at

ANNA = Actor("anna@example.com", Role.OPERATOR, Via.OIDC)
VERA = Actor("vera@example.com", Role.VIEWER, Via.OIDC)
LABELS = {"alertname": "HighErrorRate", "severity": "critical", "instance": "app-1:3000", "service.name": "crm"}


def make(state: State, text: str = 'alertname="A"', start: float = 0, end: float = 60, who: Actor = ANNA) -> Silence:
    with state.writing() as session:
        return create(session, who, read(text), starts_at=at(start), ends_at=at(end), reason="deploy", now=at(start))


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ('alertname="HighErrorRate"', True), ("alertname=HighErrorRate", True), ('{alertname="HighErrorRate"}', True),
        ('alertname="High"', False), ('alertname=~"High.*"', True), ('alertname=~"High"', False),
        ('severity!="warning",alertname=~".+"', True), ('severity!~"crit.*",alertname=~".+"', False),
        ('alertname="HighErrorRate",team=""', True), ('alertname="HighErrorRate",team!=""', False),
        ('instance="app-1:3000" , severity = "critical"', True), ('alertname=~"(?i)higherrorrate"', True),
        ('"service.name"="crm"', True), ('"service.name"="x"', False), ('"alertname"="HighErrorRate","a \\"b\\""=""', True),
    ],
)  # fmt: skip
def test_matchers_hit_as_alertmanagers_do(text: str, hits: bool) -> None:
    assert hit(read(text), [LABELS]) == [hits]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at least one"), ("{}", "at least one"), ("alertname", "no matcher"), ('="x"', "no matcher"),
        ('a="x" b="y"', "no matcher"), ('alertname=~"("', "RE2"), ('alertname=~"(?=a)"', "RE2"), ('team!="x"', "every alert"),
        ('alertname=~".*"', "every alert"), ('""="x"', "empty name"), (f'alertname=~"{"a" * 257}"', "longer than"),
        (",".join(f'l{n}="x"' for n in range(65)), "at most"), ('0a="x"', "no matcher"),
    ],
)  # fmt: skip
def test_a_wrong_matcher_is_refused_with_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(QueryError, match=words):
        read(text)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True) | st.text(min_size=1, max_size=9),
            st.text(min_size=1, max_size=30),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_what_is_written_is_read_back(pairs: Sequence[tuple[str, str]]) -> None:
    matchers = exactly(dict(pairs))

    assert read(written(matchers)) == matchers
    assert from_json([one.as_json() for one in matchers]) == matchers


def test_a_pattern_that_would_take_python_years_is_quick_a14() -> None:
    matchers = check([Matcher("a", Op.LIKE, "(a+)+$")])

    assert hit(matchers, [{"a": "a" * 5000 + "!"}]) == [False]


def test_it_counts_from_its_first_moment_up_to_its_last(state: State) -> None:
    make(state, start=10, end=20)

    with state.reading() as session:
        found = [len(active(session, at(second))) for second in (9.9, 10, 19.9, 20)]

    assert found == [0, 1, 1, 0]


def test_it_is_kept_with_a_name_and_a_reason_and_told_in_the_audit(state: State) -> None:
    made = make(state)

    with state.reading() as session:
        action, subject, details = session.execute(select(AuditRow.action, AuditRow.subject, AuditRow.details)).one()
    assert (made.who, made.reason, made.version) == (ANNA.name, "deploy", 1)
    assert (action, subject) == ("alert.silence", f"silence {made.id}")
    assert 'alertname=\\"A\\"' in details


def test_a_viewer_may_not_and_nothing_is_kept(state: State) -> None:
    with pytest.raises(Refused):
        make(state, who=VERA)

    with state.reading() as session:
        assert every(session, at(-100)) == []


@pytest.mark.parametrize(("start", "end"), [(0, 0), (10, 5), (0, 366 * 86_400)])
def test_times_that_make_no_sense_are_refused(state: State, start: float, end: float) -> None:
    with pytest.raises(ValueError, match="a silence"):
        make(state, start=start, end=end)


def test_the_second_of_two_editors_is_told(state: State) -> None:
    made = make(state)
    with state.writing() as session:
        changed = edit(session, ANNA, made, made.matchers, starts_at=at(0), ends_at=at(90), reason="longer")
    assert changed.version == 2

    with pytest.raises(Conflict), state.writing() as session:
        edit(session, ANNA, made, made.matchers, starts_at=at(0), ends_at=at(10), reason="shorter")
    with pytest.raises(Conflict), state.writing() as session:
        expire(session, ANNA, made, at(5))

    with state.writing() as session:
        assert expire(session, ANNA, changed, at(5)).ends_at == at(5)
        assert active(session, at(5)) == []


def test_one_that_has_not_begun_never_counts_once_it_is_ended(state: State) -> None:
    made = make(state, start=100, end=200)

    with state.writing() as session:
        ended = expire(session, ANNA, made, at(5))
        assert active(session, at(100)) == []

    assert ended.ends_at == ended.starts_at


def test_the_preview_names_the_open_alerts_that_it_hits(state: State) -> None:
    world = World(state)
    first, second = world.fire("A", instance="a"), world.fire("A", instance="b")
    world.fire("B", instance="a")
    world.resolve(second)

    with state.reading() as session:
        assert preview(session, read('alertname="A"')) == [first]


def test_the_first_silence_that_hits_is_named(state: State) -> None:
    first, second = make(state), make(state, 'alertname=~"A|B"')

    found = muting([first, second], [{"alertname": "A"}, {"alertname": "B"}, {"alertname": "C"}])

    assert found == [first, second, None]
