"""What is noted about a notice after a try: what the channel knows now, cooldowns, and the story of each alert."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from lib.alerts.delivery.cover import Cover, covers_in, rest_in
from lib.alerts.delivery.picture import WAITING
from lib.alerts.delivery.story import Stories, Told
from lib.alerts.model import Receipt
from lib.alerts.tables import CooldownRow, NoticeLogRow, OutboxRow


def note_accepted(session: Session, row: OutboxRow, receipt: Receipt, stories: Stories, now: datetime) -> None:
    """The record of each group, the cooldowns that begin, and a row for recipients who were refused for now."""
    covers = covers_in(row.notice)
    _note_groups(session, row.channel, covers, now)
    _begin_cooldowns(session, row.channel, covers, now)
    if receipt.later:
        session.add(_for_the_rest(row, receipt, now))
    said = f"accepted with {receipt.code}" + (f": {receipt.reply}" if receipt.reply.strip() not in ("", "ok") else "")
    _tell(session, row, stories, now=now, kind=Told.SENT, said=said)


def note_failed(session: Session, row: OutboxRow, why: str, stories: Stories, now: datetime) -> None:
    """The story of a notice that does not arrive."""
    _tell(session, row, stories, now=now, kind=Told.FAILED, said=why)


def again(session: Session, row: OutboxRow, why: str, stories: Stories, now: datetime) -> None:
    """The story of one that is tried again: a line per reason, not per try."""
    said = f"not accepted, tried again: {why}"
    _tell(session, row, stories, now=now, kind=Told.RETRY, said=said)


def _note_groups(session: Session, channel: str, covers: Iterable[Cover], now: datetime) -> None:
    rows = [
        {
            "group_key": cover.key, "channel": channel, "firing": sorted({*cover.firing, *cover.keep}),
            "resolved": sorted(cover.resolved), "sent_at": now,
        }
        for cover in covers
    ]  # fmt: skip
    if rows:  # at once: a notice may be about ten thousand groups
        session.execute(_upsert(session, NoticeLogRow.__table__), rows)


def _begin_cooldowns(session: Session, channel: str, covers: Iterable[Cover], now: datetime) -> None:
    rows = [
        {"fingerprint": fp, "channel": channel, "episode": cover.firing[fp], "sent_at": now, "suppressed": 0}
        for cover in covers
        for fp in sorted(cover.cooling)
        if fp in cover.firing
    ]
    if rows:
        session.execute(_upsert(session, CooldownRow.__table__), rows)


def _upsert(session: Session, table: Any) -> Any:
    assert isinstance(table, Table), "a model's table is one"
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    given: Any = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    others = {column.name: given.excluded[column.name] for column in table.columns if column.name not in keys}
    return given.on_conflict_do_update(index_elements=keys, set_=others)


def _for_the_rest(row: OutboxRow, receipt: Receipt, now: datetime) -> OutboxRow:
    about = row.notice["covers"] or row.notice.get("rest", [])
    kept = {"notice": row.notice["notice"], "covers": [], "rest": about, "to": list(receipt.later)}
    return OutboxRow(
        key=f"{row.key}/rest{row.id}"[:255], channel=row.channel, group_key=row.group_key, kind=row.kind, notice=kept,
        test=False, state=WAITING, created_at=now, due_at=now, token=0, attempts=1,
    )  # fmt: skip


def _tell(session: Session, row: OutboxRow, stories: Stories, *, now: datetime, kind: Told, said: str) -> None:
    to: Sequence[str] = row.notice.get("to", ())
    words = f"for {', '.join(to)} alone: {said}" if to else said
    chapter = stories.open(session, now)
    for cover in (*covers_in(row.notice), *rest_in(row.notice)):
        for about in cover.alerts:
            chapter.note(about, row.channel, kind, words)
    chapter.close()
