"""The story of each alert on each channel: a line only where something changed, kept with the change that it tells of."""

from __future__ import annotations

import threading
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from sqlalchemy import event, insert, select
from sqlalchemy.orm import Session

from lib.alerts import words
from lib.alerts.tables import StoryRow

_AT_ONCE = 400


class Told(StrEnum):
    """What delivery says about an alert."""

    NO_ROUTE = "no_route"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    COOLDOWN = "cooldown"
    GROUPED = "grouped"
    STORM = "storm"
    DEDUPLICATED = "deduplicated"
    QUEUED = "queued"
    SUPERSEDED = "superseded"
    CLEARED = "cleared"
    SENT = "sent"
    RETRY = "retry"
    FAILED = "failed"
    CHANNEL_BROKEN = "channel_broken"


SPOKEN = frozenset({Told.QUEUED, Told.SENT, Told.RETRY, Told.FAILED, Told.DEDUPLICATED, Told.CLEARED})
"""After these it goes without saying that the channel knows: where it failed and is not broken, it did for single recipients."""

About = tuple[int, str]
"""An alert's row and its fingerprint."""


class Stories:
    """Remembers the last line of each open alert and channel, so that no line is written twice; safe from any thread."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, str], tuple[Told, str]] = {}
        self._read = False
        self._lock = threading.Lock()

    def load(self, session: Session, alerts: Collection[int]) -> None:
        """After a start: what was said last about these alerts."""
        if self._read:
            return
        found: dict[tuple[int, str], tuple[Told, str]] = {}
        ids = sorted(alerts)
        for at in range(0, len(ids), _AT_ONCE):
            told = select(StoryRow.alert_id, StoryRow.channel, StoryRow.kind, StoryRow.words).where(
                StoryRow.alert_id.in_(ids[at : at + _AT_ONCE]), StoryRow.kind.in_([kind.value for kind in Told])
            )
            for alert, channel, kind, said in session.execute(told.order_by(StoryRow.id)):
                found[alert, channel] = (Told(kind), said)
        with self._lock:
            self._last, self._read = {**found, **self._last}, True

    def last(self, alert: int, channel: str) -> Told | None:
        """What was said last."""
        with self._lock:
            found = self._last.get((alert, channel))
        return found[0] if found else None

    def open(self, session: Session, now: datetime) -> Chapter:
        """Where the lines of one transaction go."""
        return Chapter(self, session, now)

    def keep(self, lines: dict[tuple[int, str], tuple[Told, str]]) -> None:
        """Remembers what was committed."""
        with self._lock:
            self._last.update(lines)

    def forget(self, open_alerts: Collection[int]) -> None:
        """Lets go of alerts that have ended long since."""
        with self._lock:
            if len(self._last) > 8 * len(open_alerts) + 10_000:
                self._last = {key: told for key, told in self._last.items() if key[0] in open_alerts}

    def known(self, key: tuple[int, str]) -> tuple[Told, str] | None:
        """The last line."""
        with self._lock:
            return self._last.get(key)


class Chapter:
    """The new lines of one transaction: kept with it or not at all."""

    def __init__(self, stories: Stories, session: Session, now: datetime) -> None:
        self._stories, self._session, self._now = stories, session, now
        self._lines: dict[tuple[int, str], tuple[Told, str]] = {}
        self._rows: list[dict[str, object]] = []

    def note(self, about: About, channel: str, kind: Told, said: str) -> bool:
        """Adds a line unless it says what was said last; whether it did."""
        key, said = (about[0], channel), words.clean(said, 600).replace("\x00", "")
        last = self._lines.get(key) or self._stories.known(key)
        if last == (kind, said):
            return False
        self._lines[key] = (kind, said)
        self._rows.append(
            {
                "at": self._now, "fingerprint": about[1], "alert_id": about[0], "channel": channel,
                "kind": kind.value, "words": said,
            }
        )  # fmt: skip
        return True

    def close(self) -> None:
        """Writes the lines."""
        if not self._rows:
            return
        self._session.execute(insert(StoryRow), self._rows)
        lines = self._lines
        event.listen(self._session, "after_commit", lambda _: self._stories.keep(lines), once=True)
