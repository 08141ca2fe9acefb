"""What the tests of checklists share: a checklist of two items, people, a clock, and one way to act."""

from __future__ import annotations

from datetime import UTC, datetime

from lib.checklists import questions, runs, versions
from lib.checklists.model import Checklist, Evidence, Item, Period, Run, RunItem, Verdict
from lib.identity.roles import Actor, Role, Via
from lib.state import audit
from lib.state.audit import Deed
from lib.state.database import State

ANNA = Actor("anna@example.com", Role.ADMIN, Via.OIDC)
BORIS = Actor("boris@example.com", Role.OPERATOR, Via.OIDC)
VERA = Actor("vera@example.com", Role.VIEWER, Via.OIDC)
LONDON = "Europe/London"
DAILY = Checklist(
    "daily", "Daily checks", Period.DAY,
    (
        Item("errors", "Review error logs", "why", "how", "new_error_patterns", "ops", "10:00", {"look": 1}),
        Item("backup", "Verify backup", due="18:00"),
    ),
)  # fmt: skip
SEEN = Evidence("3 new patterns", 3.0, "", "at most 0", Verdict.LOOK, "3 are above 0", "errors?range=24h", "a\nb")


def at(text: str) -> datetime:
    """A moment in UTC: at("2026-03-02 09:00")."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOW = at("2026-03-02 09:00")


def opened(state: State, now: datetime = NOW, zone: str = LONDON, *checklists: Checklist) -> Run:
    """The newest run of the first checklist, after the worker's turn."""
    shipped = {one.name: one for one in checklists or (DAILY,)}
    runs.keep(state, versions.history(state, shipped), zone, now)
    found = questions.newest(state, next(iter(shipped)), now)
    assert found is not None
    return found


def item(state: State, run: Run, key: str = "errors", now: datetime = NOW) -> RunItem:
    """An item as somebody who looks now sees it."""
    return next(one for one in questions.items(state, run.id, now)[1] if one.item.key == key)


def act(state: State, deed: Deed, who: Actor = BORIS) -> None:
    """Does it as this person."""
    audit.act(state, who, deed)
