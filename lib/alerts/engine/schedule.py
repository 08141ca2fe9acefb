"""When each rule is due: on a fixed grid of its group's interval, so that no late run shifts the ones after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lib.alerts.rules import Rule
from lib.collect.cadence import phase_s

INTERVAL_S = 15.0


@dataclass(slots=True)
class Turnus:
    """One rule's place on the grid `k * interval + offset`. `skipped` counts its turns that never came."""

    interval_s: float
    offset_s: float
    last: int | None = None
    skipped: int = 0

    @classmethod
    def of(cls, rule: Rule, interval_s: float = INTERVAL_S) -> Turnus:
        """The grid of the rule's group."""
        own_s = rule.interval_s or interval_s
        return cls(own_s, phase_s(rule.group, own_s))

    def due(self, now: datetime) -> datetime | None:
        """The newest turn that has come and was not taken; None where there is none. It is taken by this call.

        Turns that came and went meanwhile are counted. A clock that was put back starts the count anew.
        """
        place = int((now.timestamp() - self.offset_s) // self.interval_s)
        if self.last is not None and self.last - 1 <= place <= self.last:
            return None
        if self.last is not None and place > self.last:
            self.skipped += place - self.last - 1
        self.last = place
        return self._moment(place)

    def missed(self, now: datetime) -> None:
        """A turn that has come cannot be taken: the one before it is still under way."""
        if self.due(now) is not None:
            self.skipped += 1

    def _moment(self, place: int) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
            milliseconds=round((place * self.interval_s + self.offset_s) * 1000)
        )
