"""Delivery as the settings want it, put together: the dispatcher, the sender and the dead-man ping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy.orm import Session

from lib.alerts.channels import digests, open_channels, open_outbound
from lib.alerts.channels.outbound import Outbound
from lib.alerts.delivery.condition import ChannelStatus, note_settings, statuses
from lib.alerts.delivery.dispatch import Dispatcher, Plan
from lib.alerts.delivery.pulse import Pulse
from lib.alerts.delivery.routes import read_inhibitions, read_routes
from lib.alerts.delivery.sender import SOURCE, Sender
from lib.alerts.rules import Rule
from lib.collect.cadence import Clock, utc_now
from lib.settings import Settings
from lib.state.database import State

EVERY_S = 1.0


def _always(_: Session) -> int:
    return 1


class Delivery:
    """What a worker runs: `loops` are its turns. The engine calls `dispatcher.dispatch` in its own transactions too.

    `holds` gives in a transaction the lease's token, 0 where another process evaluates and sends; `healthy` whether the rest of
    the worker is well, for the dead-man ping. Raises SettingsError for routes that cannot be, and SourceUnavailable.
    """

    def __init__(
        self,
        settings: Settings,
        state: State,
        rules: Callable[[], Sequence[Rule]],
        *,
        clock: Clock = utc_now,
        holds: Callable[[Session], int] = _always,
        healthy: Callable[[], bool] = lambda: True,
    ) -> None:
        self._state, self._clock, self._holds = state, clock, holds
        outbound = open_outbound(settings)
        self.channels = open_channels(settings, outbound)
        names = tuple(self.channels)
        plan = Plan(
            names,
            read_routes(settings.routes, names),
            read_inhibitions(settings.inhibit),
            public_url=settings.public_url,
            rules=rules,
        )
        self.dispatcher = Dispatcher(plan)
        self.sender = Sender(state, self.channels, self.dispatcher, clock=clock, holds=holds)
        self._pulse = self._pulse_of(settings, outbound, healthy)
        self._last: tuple[ChannelStatus, ...] = tuple(ChannelStatus(name) for name in names)
        told = digests(settings)
        with state.writing(SOURCE) as session:
            note_settings(session, {name: told[name] for name in names}, clock())

    def _pulse_of(self, settings: Settings, outbound: Outbound, healthy: Callable[[], bool]) -> Pulse | None:
        url = settings.deadman_url.get_secret_value()
        if not url:
            return None
        return Pulse(url, outbound, timedelta(minutes=settings.deadman_minutes), healthy, self._clock)

    def loops(self) -> list[tuple[str, float, Callable[[], object]]]:
        """Name, period in seconds and turn of each loop: one that decides, one per channel, one for the ping."""
        sending = [(f"send by {name}", EVERY_S, partial(self.sender.turn, name)) for name in self.channels]
        ping = [("dead-man ping", EVERY_S, self._pulse.turn)] if self._pulse else []
        return [("decide", EVERY_S, self.decide), *sending, *ping]

    def decide(self) -> int:
        """Once a second: what time alone changes (cooldowns, repeats, silences), and how the channels are."""
        now = self._clock()
        with self._state.writing(SOURCE) as session:
            queued = self.dispatcher.dispatch(session, now) if self._holds(session) else 0
            self._last = statuses(session, list(self.channels))
        return queued

    def status(self) -> tuple[ChannelStatus, ...]:
        """How each channel was a second ago; safe from any thread, asks nothing."""
        return self._last
