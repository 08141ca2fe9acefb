"""A small world for delivery: a clock that stands still, alerts as an engine would write them, channels that record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from lib.alerts.delivery.dispatch import Dispatcher, Plan
from lib.alerts.delivery.sender import Sender
from lib.alerts.model import Alert, AlertState, Notice, Origin, Receipt, Rendered, fingerprint
from lib.alerts.tables import AlertRow, NoticeLogRow, OutboxRow, StoryRow
from lib.errors import DeliveryError
from lib.state.database import State

T0 = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def alert(name: str = "A", state: str = "firing", since: float = 0, episode: int = 0, **labels: str) -> Alert:
    told = {"alertname": name, "severity": "critical", **labels}
    ended = at(since + 60) if state == "resolved" else None
    return Alert(Origin.ENGINE, told, AlertState(state), at(since), fired_at=at(since), resolved_at=ended, id=episode)


@dataclass
class Recorder:
    """A channel that takes what it is given, unless it was told to answer something else."""

    name: str = "slack"
    sent: list[Notice] = field(default_factory=list)
    answers: list[Receipt | DeliveryError] = field(default_factory=list)
    tos: list[Sequence[str]] = field(default_factory=list)
    _made: dict[bytes, Notice] = field(default_factory=dict)

    def render(self, notice: Notice) -> Rendered:
        self._made[notice.key.encode()] = notice
        return Rendered(notice.key.encode(), "text/plain", notice.key, notice.key, notice.key)

    def send(self, rendered: Rendered) -> Receipt:
        answer = self.answers.pop(0) if self.answers else Receipt(200, "ok", 1.0)
        if isinstance(answer, DeliveryError):
            raise answer
        self.sent.append(self._made[rendered.body])
        self.tos.append(rendered.to)
        return answer

    def hint(self, code: int, reply: str) -> str:
        return ""

    @property
    def kinds(self) -> list[str]:
        return [notice.kind.value for notice in self.sent]


class World:
    """State, channels, dispatcher and sender around one clock."""

    def __init__(self, state: State, *names: str, **plan: Any) -> None:
        self.state = state
        self.now = T0
        self.channels = {name: Recorder(name) for name in names or ("slack",)}
        self.plan = Plan(tuple(self.channels), **plan)
        self.restart()

    def restart(self) -> None:
        """As after a new start of the process."""
        self.dispatcher = Dispatcher(self.plan)
        self.sender = Sender(self.state, self.channels, self.dispatcher, clock=lambda: self.now, jitter=lambda: 0.0)

    @property
    def slack(self) -> Recorder:
        return next(iter(self.channels.values()))

    def go(self, seconds: float) -> World:
        """The clock stands at T0 + seconds."""
        self.now = at(seconds)
        return self

    def fire(
        self, name: str = "A", annotations: dict[str, str] | None = None, value: float | None = 7.0, **labels: str
    ) -> int:
        """A new episode that fires now; its row."""
        told = {"alertname": name, "severity": "critical", **labels}
        row = self.row(told, annotations or {}, value)
        with self.state.writing() as session:
            session.add(row)
            session.flush()
            self.dispatcher.dispatch(session, self.now)
            return row.id

    def row(self, told: dict[str, str], annotations: dict[str, str], value: float | None = 7.0) -> AlertRow:
        return AlertRow(
            origin="engine", fingerprint=fingerprint(told), rule=told["alertname"], name=told["alertname"],
            severity=told["severity"], labels=told, annotations=annotations, state="firing", value=value,
            active_at=self.now, fired_at=self.now, last_seen=self.now,
        )  # fmt: skip

    def resolve(self, alert_id: int) -> None:
        self.write(
            update(AlertRow)
            .where(AlertRow.id == alert_id)
            .values(state="resolved", resolved_at=self.now, last_seen=self.now)
        )

    def write(self, *statements: Any) -> None:
        with self.state.writing() as session:
            for statement in statements:
                session.execute(statement)
            self.dispatcher.dispatch(session, self.now)

    def turn(self) -> World:
        """What the loops do once a second."""
        with self.state.writing() as session:
            self.dispatcher.dispatch(session, self.now)
        self.sender.turn()
        return self

    def tick(self, start: float, end: float, step: float = 1.0, then: Callable[[float], object] | None = None) -> None:
        """The loops from `start` to `end`."""
        second = start
        while second <= end:
            self.go(second)
            if then is not None:
                then(second)
            self.turn()
            second += step

    def stories(self, channel: str = "slack") -> list[tuple[str, str]]:
        with self.state.reading() as session:
            rows = session.scalars(select(StoryRow).where(StoryRow.channel == channel).order_by(StoryRow.id))
            return [(row.kind, row.words) for row in rows]

    def kinds(self, channel: str = "slack") -> list[str]:
        return [kind for kind, _ in self.stories(channel)]

    def outbox(self) -> list[OutboxRow]:
        with self.state.reading() as session:
            rows = list(session.scalars(select(OutboxRow).order_by(OutboxRow.id)))
            session.expunge_all()
            return rows

    def told(self) -> dict[tuple[str, str], tuple[int, int]]:
        with self.state.reading() as session:
            return {
                (r.group_key, r.channel): (len(r.firing), len(r.resolved))
                for r in session.scalars(select(NoticeLogRow))
            }


def refusal(code: int = 404, words: str = "no_service") -> DeliveryError:
    return DeliveryError(f"HTTP {code}: {words}", permanent=True, code=code)


def trouble(code: int = 503, retry_after_s: float = 0.0) -> DeliveryError:
    return DeliveryError(f"HTTP {code}", permanent=False, code=code, retry_after_s=retry_after_s, unknown=code == 0)
