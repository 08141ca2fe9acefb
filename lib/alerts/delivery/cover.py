"""What a notice in the outbox is about, group by group: what is noted once the channel has accepted it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lib.alerts.delivery.decision import Decision, Why, episode_of


@dataclass(frozen=True, slots=True)
class Cover:
    """One group in a notice. `firing` and `resolved` map fingerprints to alert rows; `cooling` are the fingerprints
    whose cooldown begins; `keep` stay told although the notice leaves them out."""

    key: str
    why: Why
    firing: Mapping[str, int]
    resolved: Mapping[str, int]
    cooling: frozenset[str]
    keep: frozenset[str]

    @property
    def content(self) -> tuple[Any, ...]:
        """The same for a notice that says the same."""
        return (self.why, sorted(self.firing.items()), sorted(self.resolved.items()), sorted(self.keep))

    @property
    def alerts(self) -> list[tuple[int, str]]:
        """Every alert row that it is about, with its fingerprint."""
        return [(row, fp) for fp, row in (*self.firing.items(), *self.resolved.items())]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "key": self.key, "why": self.why.value, "firing": dict(self.firing), "resolved": dict(self.resolved),
            "cooling": sorted(self.cooling), "keep": sorted(self.keep),
        }  # fmt: skip


def cover_of(key: str, decision: Decision) -> Cover:
    """What a decision to send is about."""
    about_all = decision.why in (Why.REPEAT, Why.CLOCK)
    firing = {alert.fingerprint: episode_of(alert) for alert in decision.firing}
    resolved = {alert.fingerprint: episode_of(alert) for alert in decision.resolved}
    cooling = frozenset(firing) if about_all else decision.fresh
    return Cover(key, decision.why, firing, resolved, cooling, decision.keep)


def covers_in(kept: Mapping[str, Any]) -> list[Cover]:
    """The covers of an outbox row's JSON; none where it is for single recipients only."""
    return _read(kept.get("covers", ()))


def rest_in(kept: Mapping[str, Any]) -> list[Cover]:
    """What a row for the recipients that are left over is about: that the channel was told so is noted already."""
    return _read(kept.get("rest", ()))


def _read(told: Sequence[Mapping[str, Any]]) -> list[Cover]:
    return [
        Cover(
            one["key"],
            Why(one["why"]),
            one["firing"],
            one["resolved"],
            frozenset(one["cooling"]),
            frozenset(one["keep"]),
        )
        for one in told
    ]
