"""The dead-man ping: somebody outside hears from us while alerting works, and warns when that stops."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from lib.alerts.channels.outbound import Outbound
from lib.collect.cadence import Clock, utc_now


class Pulse:
    """Call `turn` often: it asks the address every `every`, while `healthy()`; after a failed ping a minute later."""

    def __init__(
        self, url: str, outbound: Outbound, every: timedelta, healthy: Callable[[], bool], clock: Clock = utc_now
    ) -> None:
        self._url = url
        self._outbound = outbound
        self._every = every
        self._healthy = healthy
        self._clock = clock
        self._next: datetime | None = None
        self.last: datetime | None = None

    def turn(self) -> bool:
        """Whether the ping was heard. Raises DeliveryError where it was not."""
        now = self._clock()
        early = self._next is not None and now < self._next and self._next - now <= self._every
        if early or not self._healthy():
            return False
        self._next = now + min(self._every, timedelta(minutes=1))
        self._outbound.get(self._url)
        self._next, self.last = now + self._every, now
        return True
