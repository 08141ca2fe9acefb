"""What happened in the past week: the incidents that the pages can tell about, anchored to the days before `until`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
DAY = 86_400.0
HOUR = 3_600.0
MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Span:
    """The half-open stretch [start, end) in seconds since the epoch."""

    start: float
    end: float

    def covers(self, moments: Floats) -> npt.NDArray[np.bool_]:
        """Which moments lie in it."""
        return (moments >= self.start) & (moments < self.end)

    def factor(self, moments: Floats, inside: float) -> Floats:
        """`inside` within the span, 1 outside of it."""
        return np.where(self.covers(moments), inside, 1.0)

    def ramp(self, moments: Floats, height: float, fall_s: float) -> Floats:
        """Grows from 0 to `height` along the span, then falls back to 0 within `fall_s`."""
        return np.interp(moments, [self.start, self.end, self.end + fall_s], [0.0, height, 0.0])


@dataclass(frozen=True, slots=True)
class Story:
    """The week that ends at `until`. Deploy times are per instance, in the order of the instances."""

    start: float
    until: float
    apollo_outage: Span
    slow_database: Span
    halopsa_flaky: Span
    zoominfo_html: Span
    deploys: tuple[float, ...]

    @classmethod
    def before(cls, until: float, days: float, instances: int) -> Story:
        """The same incidents at the same hours, however long the past is."""
        midnight = until // DAY * DAY
        return cls(
            start=until - days * DAY,
            until=until,
            apollo_outage=Span(midnight - DAY + 14 * HOUR + 5 * MINUTE, midnight - DAY + 15 * HOUR + 20 * MINUTE),
            slow_database=Span(midnight - 3 * DAY + 8.5 * HOUR, midnight - 3 * DAY + 10.2 * HOUR),
            halopsa_flaky=Span(midnight - 5 * DAY + 16.3 * HOUR, midnight - 5 * DAY + 16.9 * HOUR),
            zoominfo_html=Span(until - 2.6 * HOUR, until - 2.2 * HOUR),
            deploys=tuple(midnight - 2 * DAY + 11 * HOUR + 4 * MINUTE * i for i in range(instances)),
        )

    def halopsa_slowness(self, moments: Floats) -> Floats:
        """How many times longer than usual HaloPSA took."""
        return self.halopsa_flaky.factor(moments, 6.0)

    def database_slowness(self, moments: Floats) -> Floats:
        """How many times longer than usual a query took."""
        return self.slow_database.factor(moments, 30.0)

    def failing(self, source: str, moments: Floats) -> Floats:
        """The share of a source's leads that could not be synced."""
        usual = np.full(moments.shape, 0.001)
        if source == "apollo":
            return np.where(self.apollo_outage.covers(moments), 1.0, usual)
        return np.where(self.zoominfo_html.covers(moments), 0.25, usual)

    def backlog(self, queue: str, moments: Floats) -> Floats:
        """Jobs waiting in a queue beyond the usual few."""
        if queue == "lead_sync":
            return self.apollo_outage.ramp(moments, 1350.0, 50 * MINUTE)
        if queue == "enrichment":
            return self.zoominfo_html.ramp(moments, 160.0, 12 * MINUTE)
        return self.slow_database.ramp(moments, 420.0, 15 * MINUTE)

    def restarted_at(self, instance: int, moments: Floats) -> Floats:
        """When the process that ran at each moment had started."""
        return np.where(moments >= self.deploys[instance], self.deploys[instance] + 20.0, self.start - 3 * DAY)

    def version(self, instance: int, moment: float, versions: tuple[str, ...]) -> str:
        """Which version ran then."""
        return versions[1] if moment >= self.deploys[instance] else versions[0]
