"""Hands over what waits in the outbox: claimed for a while, sent outside the transaction, noted once it was accepted."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from lib.alerts import words
from lib.alerts.delivery.condition import break_channel, channel_row
from lib.alerts.delivery.dispatch import Dispatcher
from lib.alerts.delivery.outcome import again, note_accepted, note_failed
from lib.alerts.delivery.picture import FAILED, SENDING, SENT, WAITING
from lib.alerts.delivery.stored import from_json
from lib.alerts.model import Channel, Receipt
from lib.alerts.tables import ChannelRow, OutboxRow
from lib.collect.cadence import Clock, utc_now
from lib.errors import DeliveryError
from lib.failpoints import reach
from lib.state.database import State

CLAIM = timedelta(seconds=45)
"""Longer than any try takes. A claim made under another holder of the lease counts no more: whoever made it is gone."""

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 300.0
GIVE_UP = timedelta(hours=24)
UNASKED = timedelta(seconds=2 * LONGEST_WAIT_S)
"""After so long without a try, one that fails is the first of its kind."""

MOST_A_TURN = 10
FRESH = timedelta(seconds=1)
"""What was decided so lately is not decided again before the next notice of a turn."""

SOURCE = "alert delivery"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that this sender may send until its claim ends. `token` must still be the row's when the result is written."""

    id: int
    token: int
    notice: Mapping[str, Any]


def _always(_: Session) -> int:
    return 1


class Sender:
    """Sends on each channel. `holds` gives, in the claiming transaction, the lease's token; 0: another process sends."""

    def __init__(
        self,
        state: State,
        channels: Mapping[str, Channel],
        dispatcher: Dispatcher,
        *,
        clock: Clock = utc_now,
        holds: Callable[[Session], int] = _always,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._state = state
        self._channels = channels
        self._dispatcher = dispatcher
        self._clock = clock
        self._holds = holds
        self._jitter = jitter
        self._lease = 0  # the token of the last claim: another one shows when the next is made
        self._unsure: dict[
            str, set[datetime]
        ] = {}  # claims whose commit failed: they may be there, and nothing was sent

    def turn(self, channel: str = "") -> int:
        """Sends what is due on `channel`, on every channel where it is ""; how many notices were accepted.

        A channel's loop calls it for that channel alone, so that one that hangs does not hold up the others. Raises
        SourceUnavailable where the state does not answer: what was claimed then is sent again later.
        """
        return sum(self._turn(name) for name in ([channel] if channel else list(self._channels)))

    def _turn(self, name: str) -> int:
        accepted, decided = 0, None
        for _ in range(MOST_A_TURN):
            now = self._clock()
            again = decided is None or abs(now - decided) >= FRESH
            claimed = self._claim(name, now, decide=again)
            decided = now if again else decided
            if claimed is None:
                break
            reach("notice-claimed")
            accepted += self._send(name, claimed)
        return accepted

    def _claim(self, name: str, now: datetime, *, decide: bool) -> Claimed | None:
        """The next row that is due. Decides once more before: what is silenced by now is not sent."""
        with self._state.reading(SOURCE) as session:
            if session.scalar(self._due(name, now).with_only_columns(OutboxRow.id)) is None:
                return None
        until = now + CLAIM
        self._unsure.setdefault(name, set()).add(until)
        claimed = self._claimed(name, now, until, decide=decide)
        del self._unsure[name]
        return claimed

    def _claimed(self, name: str, now: datetime, until: datetime, *, decide: bool) -> Claimed | None:
        with self._state.writing(SOURCE) as session:
            self._lease = self._holds(session)
            if not self._lease:
                return None
            if decide:
                self._dispatcher.dispatch(session, now)
            row = session.scalar(self._due(name, now).with_for_update(skip_locked=True))
            if row is None:
                return None
            row.state, row.token, row.claimed_until = SENDING, row.token + 1, until
            row.claimed_by = self._lease
            return Claimed(row.id, row.token, row.notice)

    def _send(self, name: str, claimed: Claimed) -> int:
        channel = self._channels[name]
        try:
            rendered = channel.render(from_json(claimed.notice["notice"]))
            receipt = channel.send(replace(rendered, to=claimed.notice.get("to", ())))
        except DeliveryError as error:
            self._failed(name, claimed, error)
            return 0
        except Exception as error:  # noqa: BLE001 - one notice that cannot be sent must not hold up every other
            _log.exception("a notice for %s could not be sent", name)
            self._failed(name, claimed, DeliveryError(f"{type(error).__name__} while it was made", permanent=False))
            return 0
        reach("notice-handed-over")
        self._accepted(name, claimed, receipt)
        reach("notice-kept")
        return 1

    def _accepted(self, name: str, claimed: Claimed, receipt: Receipt) -> None:
        now = self._clock()
        with self._state.writing(SOURCE) as session:
            row = self._own(session, claimed)
            if row is None:
                return
            row.state, row.sent_at, row.code, row.took_ms = SENT, now, receipt.code, receipt.took_ms
            row.reply, row.attempts = words.clean(receipt.reply, 2000), row.attempts + 1
            if row.test:
                return
            status = channel_row(session, name)
            failed_since = status.failing_since
            status.last_success_at, status.failing_since, status.failing_why = now, None, ""
            note_accepted(session, row, receipt, self._dispatcher.stories, now)
            reach("notice-noted")
        if failed_since is not None:
            _log.info("%s accepts notices again, after %.0f s", name, (now - failed_since).total_seconds())

    def _failed(self, name: str, claimed: Claimed, error: DeliveryError) -> None:
        now = self._clock()
        with self._state.writing(SOURCE) as session:
            row = self._own(session, claimed)
            if row is None:
                return
            row.code = error.code if error.code or error.unknown else None  # 0: it may have arrived
            row.reply, row.attempts = words.clean(error, 2000), row.attempts + 1
            if row.test:
                row.state = FAILED
                return
            said = (self._judge_rest if row.notice.get("to") else self._judge)(session, row, error, now)
        if said:
            _log.warning("%s: %s", name, said)

    def _judge(self, session: Session, row: OutboxRow, error: DeliveryError, now: datetime) -> str:
        """Tries again later, or gives the channel up; what the log says of it, "" where it said so before."""
        name, why = row.channel, words.clean(error, 600)
        status = channel_row(session, name)
        since = status.failing_since if self._still_trying(session, name, row, now) else None
        known = since is not None and status.failing_why == why
        status.failing_since, status.failing_why = since or now, why
        tired = now - status.failing_since > GIVE_UP
        if error.permanent or tired:
            why = why if error.permanent else f"no notice was accepted for 24 h; last: {why}"
            self._give_up(session, row, why, now)
            break_channel(session, name, why, now)
            return f"it is broken, nothing more is sent there until it is re-armed or its settings change: {why}"
        wait_s = self._wait_s(row.attempts)
        if error.retry_after_s:
            wait_s = max(wait_s, error.retry_after_s)
            status.hold_until = now + timedelta(seconds=wait_s)
        self._again(session, row, str(error), now, wait_s=wait_s)
        return "" if known else f"a notice was not accepted, it is tried again in {wait_s:.0f} s: {why}"

    def _judge_rest(self, session: Session, row: OutboxRow, error: DeliveryError, now: datetime) -> str:
        """As `_judge`, where single recipients are left over: the channel has accepted this notice and does not break."""
        tired = now - row.created_at > GIVE_UP
        if not error.permanent and not tired:
            self._again(session, row, str(error), now, wait_s=self._wait_s(row.attempts))
            return ""
        why = str(error) if error.permanent else f"refused for 24 h; last: {error}"
        self._give_up(session, row, why, now)
        return f"a notice does not reach some of its recipients: {words.clean(why, 600)}"

    def _again(self, session: Session, row: OutboxRow, why: str, now: datetime, *, wait_s: float) -> None:
        row.state, row.due_at = WAITING, now + timedelta(seconds=wait_s)
        again(session, row, why, self._dispatcher.stories, now)

    def _give_up(self, session: Session, row: OutboxRow, why: str, now: datetime) -> None:
        row.state = FAILED
        note_failed(session, row, why, self._dispatcher.stories, now)

    @staticmethod
    def _still_trying(session: Session, name: str, row: OutboxRow, now: datetime) -> bool:
        """Whether this try goes on with those before it. Where nothing was left to say, or nobody was there to say it, the
        channel was not asked: that time is no failure."""
        before = select(func.max(OutboxRow.due_at)).where(
            OutboxRow.channel == name, OutboxRow.test.is_(False), OutboxRow.attempts > 0,
            or_(OutboxRow.id != row.id, OutboxRow.attempts > 1),
        )  # fmt: skip
        due = session.scalar(before)
        return due is not None and now - due <= UNASKED

    def _wait_s(self, attempts: int) -> float:
        """1 s, 2 s, 4 s … 5 min, each up to a fifth longer so that many do not come at once."""
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempts - 1, 20))
        return min(LONGEST_WAIT_S, wait_s * (1 + self._jitter() / 5))

    def _own(self, session: Session, claimed: Claimed) -> OutboxRow | None:
        """The row, if nobody else has claimed it since."""
        return session.scalar(
            select(OutboxRow)
            .where(OutboxRow.id == claimed.id, OutboxRow.token == claimed.token, OutboxRow.state == SENDING)
            .with_for_update()
        )

    def _due(self, name: str, now: datetime) -> Any:
        """The next row to send: tests first (a person waits), then the oldest. Claims that ended unseen count again, and
        those that nobody can be sending: made under another token of the lease, or by a commit that failed."""
        held = select(ChannelRow.name).where(
            ChannelRow.name == name, or_(ChannelRow.broken_since.is_not(None), ChannelRow.hold_until > now)
        )
        left = or_(
            OutboxRow.claimed_until < now, OutboxRow.claimed_by != self._lease,
            OutboxRow.claimed_until.in_(self._unsure.get(name, ())),
        )  # fmt: skip
        ready = or_(and_(OutboxRow.state == WAITING, OutboxRow.due_at <= now), and_(OutboxRow.state == SENDING, left))
        open_ = or_(OutboxRow.test.is_(True), ~held.exists())
        return (
            select(OutboxRow)
            .where(OutboxRow.channel == name, ready, open_)
            .order_by(OutboxRow.test.desc(), OutboxRow.id)
            .limit(1)
        )
