"""Notes for the next shift, and up to when each person has read them."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
from sqlalchemy import select
from sqlalchemy.orm import Session

from lib.collect.cadence import Clock, utc_now
from lib.errors import Refused
from lib.handover.tables import NoteRow, TakenOverRow
from lib.identity.roles import Action, Actor
from lib.state.audit import Deed
from lib.state.database import State
from lib.state.written import by_hand
from lib.window import Window

SOURCE = "hand-over"
LONGEST, MOST = 4000, 500


def written(words: str, *, clock: Clock = utc_now) -> Deed:
    """Adds a note; it cannot be changed afterwards. Credentials in it are masked. Raises Refused without words."""
    kept = by_hand(words, LONGEST)
    if not kept:
        raise Refused("no note: write something")

    def change(session: Session, actor: Actor) -> None:
        session.add(NoteRow(at=clock(), who=actor.name[:255], words=kept))

    return Deed(Action.WRITE_NOTE, kept.partition("\n")[0][:120], named=change)


def taken_over(until: datetime) -> Deed:
    """The person has read everything up to that moment; their next hand-over begins there. It never goes back."""

    def change(session: Session, actor: Actor) -> None:
        row = session.get(TakenOverRow, actor.name[:255], with_for_update=True)
        if row is None:
            session.add(TakenOverRow(who=actor.name[:255], at=until))
        elif row.at < until:
            row.at = until

    return Deed(Action.TAKE_OVER, f"up to {until:%Y-%m-%d %H:%M} UTC", named=change)


def read_until(state: State, who: str) -> datetime | None:
    """Up to when this person has read; None where they never said so. Raises SourceError."""
    with state.reading(SOURCE) as session:
        row = session.get(TakenOverRow, who[:255]) if who else None
        return None if row is None else row.at


def notes(state: State, window: Window) -> pd.DataFrame:
    """The newest notes of the window, at most MOST, oldest first: `at` (UTC), `who`, `words` (foreign text)."""
    query = select(NoteRow).where(NoteRow.at >= window.start, NoteRow.at < window.end)
    with state.reading(SOURCE) as session:
        rows = [(row.at, row.who, row.words) for row in session.scalars(query.order_by(NoteRow.id.desc()).limit(MOST))]
    frame = pd.DataFrame(rows[::-1], columns=["at", "who", "words"]).astype({"who": "str", "words": "str"})
    frame["at"] = pd.DatetimeIndex(pd.to_datetime(frame["at"], utc=True)).as_unit("ns")
    return frame
