"""Drills as they are kept: what goes wrong on purpose, since when, and which alerts are of a drill and count nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import pandas as pd
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lib.alerts.tables import DrillRow
from lib.errors import Refused

RULE = "Drill"
"""The rule that watches our own figure. Its alerts are a drill's always, those of another rule while a fault is on for one."""


class Phase(StrEnum):
    """How far a drill is."""

    ON = "on"  # something is wrong on purpose
    ENDING = "ending"  # it no longer is; its alerts still have to end
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Kind:
    """What goes wrong: `name` "" is our own figure, else a fault of the simulator. `at_most` is when it ends at the latest."""

    name: str
    about: str
    at_most: timedelta


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill. Times are None until they come; `why` says why it ended, `problem` what went wrong with the drill itself."""

    kind: Kind
    who: str
    began: datetime
    switched_off: datetime | None = None
    over: datetime | None = None
    why: str = ""
    problem: str = ""

    @property
    def phase(self) -> Phase:
        """How far it is."""
        return Phase.OVER if self.over else Phase.ENDING if self.switched_off else Phase.ON


class Kept(NamedTuple):
    """A drill as the database has it. `looks` grows each second while a process runs it; `stopping`: somebody ends it."""

    id: int
    drill: Drill
    looks: int
    stopping: bool


def newest(session: Session) -> Kept | None:
    """The drill that is on, or the last one; None: there never was one."""
    row = session.scalars(select(DrillRow).order_by(DrillRow.id.desc()).limit(1)).first()
    return None if row is None else _kept(row)


def begin(session: Session, drill: Drill) -> int:
    """Keeps a new drill; its id. Raises Refused while another one is on, in whatever process."""
    last = newest(session)
    if last is not None and last.drill.phase is not Phase.OVER:
        raise Refused(f"a drill by {last.drill.who} is on: one at a time")
    kind = drill.kind
    row = DrillRow(
        kind=kind.name, about=kind.about, at_most_s=kind.at_most.total_seconds(), who=drill.who[:255], began=drill.began,
        why="", problem="", looks=0, stopping=False,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row.id


def keep(session: Session, number: int, drill: Drill) -> None:
    """Writes how far it is."""
    now = {"switched_off": drill.switched_off, "over": drill.over, "why": drill.why, "problem": drill.problem}
    session.execute(update(DrillRow).where(DrillRow.id == number).values(**now))


def look(session: Session, number: int) -> bool:
    """Says that it is still run; whether somebody wants it to end."""
    session.execute(update(DrillRow).where(DrillRow.id == number).values(looks=DrillRow.looks + 1))
    return bool(session.scalar(select(DrillRow.stopping).where(DrillRow.id == number)))


def adopt(session: Session, kept: Kept) -> bool:
    """Takes over a drill that nobody runs any more; False where another process was quicker."""
    mine = update(DrillRow).where(DrillRow.id == kept.id, DrillRow.looks == kept.looks).returning(DrillRow.id)
    return session.scalar(mine.values(looks=DrillRow.looks + 1)) is not None


def stop(session: Session) -> None:
    """Has the drill that is on end early, whichever process runs it."""
    session.execute(update(DrillRow).where(DrillRow.over.is_(None)).values(stopping=True))


def of_a_drill(session: Session, alerts: pd.DataFrame) -> pd.Series[bool]:
    """Which of these alerts (`name`, `active_at`) came up in a drill."""
    asked = select(DrillRow).where(DrillRow.kind != "").order_by(DrillRow.id)
    found = alerts["name"] == RULE
    for row in session.scalars(asked):
        found |= (alerts["active_at"] >= row.began) & (row.over is None or alerts["active_at"] <= row.over)
    return found


def about(drill: Drill, names: Sequence[str]) -> list[bool]:
    """Which of the alerts that came up during a drill it is about: all of them where a fault is on."""
    return [bool(drill.kind.name) or name == RULE for name in names]


def _kept(row: DrillRow) -> Kept:
    kind = Kind(row.kind, row.about, timedelta(seconds=row.at_most_s))
    drill = Drill(kind, row.who, row.began, row.switched_off, row.over, row.why, row.problem)
    return Kept(row.id, drill, row.looks, row.stopping)
