"""Test notices: through the same outbox, sender and channel as alerts, and in nobody's record or statistics."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from lib.alerts.delivery.picture import FAILED, SENT, WAITING
from lib.alerts.delivery.stored import to_json
from lib.alerts.model import Alert, AlertState, Kind, Links, Measure, Notice
from lib.alerts.tables import OutboxRow

GROUP = "test"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test went: `state` waiting, sending, sent or failed; then the other side's code (0: none came) and words."""

    state: str
    code: int = 0
    reply: str = ""
    took_ms: float = 0.0

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in (SENT, FAILED)


def trial_notice(
    alert: Alert, now: datetime, *, links: Links | None = None, measure: Measure | None = None, key: str = ""
) -> Notice:
    """A notice about an invented alert, marked [TEST] in every channel."""
    over = alert.state is AlertState.RESOLVED
    return Notice(
        key=key or f"{GROUP}/{secrets.token_hex(8)}", group={"alertname": alert.name}, kind=Kind.TEST, at=now,
        firing=() if over else (alert,), resolved=(alert,) if over else (), firing_total=0 if over else 1,
        resolved_total=1 if over else 0, links=links or Links(), test=True,
        measures={alert.name: measure} if measure else {},
    )  # fmt: skip


def send_test(session: Session, channel: str, notice: Notice, now: datetime) -> int:
    """Queues a test notice, to a broken channel too; the id to ask `outcome` by. One try, no retries."""
    key = f"{GROUP}/{channel}/{secrets.token_hex(8)}"
    marked = replace(notice, key=key, test=True)
    row = OutboxRow(
        key=key, channel=channel, group_key=GROUP, kind=Kind.TEST.value, notice={"notice": to_json(marked), "covers": []},
        test=True, state=WAITING, created_at=now, due_at=now, token=0, attempts=0,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row.id


def outcome(session: Session, test: int) -> Outcome | None:
    """How the test went so far; None for an id that is no test's."""
    row = session.get(OutboxRow, test)
    if row is None or not row.test:
        return None
    return Outcome(row.state, row.code or 0, row.reply or "", row.took_ms or 0.0)


def outcomes(session: Session, tests: Sequence[int]) -> dict[int, Outcome]:
    """The same for several."""
    return {test: found for test in tests if (found := outcome(session, test)) is not None}
