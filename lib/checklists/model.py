"""The words of checklists: an item and its evidence, a run of a calendar day, week or month, and what was done in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from lib.errors import OpsError
from lib.window import Window


class Verdict(StrEnum):
    """What the evidence suggests. It only helps: the person decides."""

    OK = "ok"
    LOOK = "look"
    BAD = "bad"
    NO_DATA = "no data"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the stores say about one item at one moment.

    `value` is for people ("3 new patterns"), `number` the same to compare with (None: none) in `unit` ("" for a count);
    `normal` says what is usual ("at most 0"), `reason` why the verdict is what it is. `link` leads to the page that shows
    more, as an address without the slash at its start ("errors?range=24h"; "": none). `detail` holds more lines, plain text.
    Every text may hold foreign text.
    """

    value: str
    number: float | None
    unit: str
    normal: str
    verdict: Verdict
    reason: str = ""
    link: str = ""
    detail: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain values, as they are kept with a tick."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Evidence:
        """What `as_json` gave, also by a version that knew more or fewer fields."""
        known: dict[str, Any] = {"value": "", "number": None, "unit": "", "normal": "", "verdict": Verdict.NO_DATA}
        known |= {one.name: kept[one.name] for one in fields(cls) if one.name in kept}
        word = str(known["verdict"])
        known["verdict"] = Verdict(word) if word in list(Verdict) else Verdict.NO_DATA
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Previous:
    """What was seen when the same item was ticked last, in an earlier run or this one, and when that was."""

    at: datetime
    evidence: Evidence


class Period(StrEnum):
    """How often a checklist is due: each calendar day, week (from Monday) or month of the team's zone."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to look at. `key` tells it from the others of its checklist, and from one version to the next.

    `why` and `how` are for people; `evidence` is a key of `lib.checklists.evidence_keys` ("": none is collected) and `limits`
    its verdict's parameters. `owner` is who does it unless assigned to another. `due` is a time in the run's period:
    "10:00", "fri 17:00", "5 12:00", "last 17:00"; "" for its end.
    """

    key: str
    title: str
    why: str = ""
    how: str = ""
    evidence: str = ""
    owner: str = ""
    due: str = ""
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checklist:
    """What is to be done each `period`. `name` is its address; `version` 0 is the shipped one."""

    name: str
    title: str
    period: Period
    items: tuple[Item, ...]
    version: int = 0


class ItemState(StrEnum):
    """Where an item of a run is."""

    OPEN = "open"
    DONE = "done"
    SKIPPED = "skipped"
    MISSED = "missed"


class RunState(StrEnum):
    """Where a run is: open until its period ends; then done, partial (something was missed) or missed (nothing was done)."""

    OPEN = "open"
    DONE = "done"
    PARTIAL = "partial"
    MISSED = "missed"


class Kind(StrEnum):
    """What a person did in a run."""

    TICK = "tick"
    SKIP = "skip"
    UNDO = "undo"
    NOTE = "note"
    ASSIGN = "assign"
    SIGN = "sign off"
    UNSIGN = "withdraw sign-off"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that was done: `words` is a note, a skip's reason or who it was assigned to; `item` is "" for a sign-off."""

    id: int
    item: str
    kind: Kind
    at: datetime
    who: str
    words: str = ""
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class RunItem:
    """An item as it was when its run was opened, and what happened to it since.

    `last` is the tick, skip or undo that made the state (None: nothing yet), `notes` are oldest first. `assignee` is the
    owner until somebody else is. `previous` is what was seen when it was ticked in an earlier run.
    """

    item: Item
    due_at: datetime
    state: ItemState
    last: Event | None = None
    notes: Sequence[Event] = ()
    assignee: str = ""
    previous: Previous | None = None

    @property
    def seen(self) -> int:
        """What a person has seen of it: given back with what they do, so that nothing is done to a stale item."""
        return self.last.id if self.last is not None else 0

    def overdue(self, now: datetime) -> bool:
        """Whether it should have been done by now."""
        return self.state is ItemState.OPEN and now >= self.due_at


@dataclass(frozen=True, slots=True)
class Run:
    """A checklist in one calendar period: [`starts_at`, `ends_at`) in UTC, the days `first_day` to `last_day` of `zone`."""

    id: int
    checklist: str
    title: str
    period: Period
    version: int
    zone: str
    first_day: date
    last_day: date
    starts_at: datetime
    ends_at: datetime
    state: RunState
    total: int
    done: int
    skipped: int
    missed: int
    signed_by: str = ""
    signed_at: datetime | None = None

    @property
    def window(self) -> Window:
        """The range that its evidence is about."""
        return Window(self.starts_at, self.ends_at, self.zone)

    @property
    def settled(self) -> int:
        """How many items are done or skipped."""
        return self.done + self.skipped


class Stale(OpsError):  # noqa: N818 - what happened, read so on the pages
    """Somebody else was first, or the run is closed: nothing was done. The text says what happened."""
