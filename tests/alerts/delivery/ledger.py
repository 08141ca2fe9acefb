"""The same decisions without a database, as if every channel accepted at once."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from lib.alerts.delivery.decision import Cooling, Decision, Policy, Told, Why, decide
from lib.alerts.model import Alert, AlertState


@dataclass
class Ledger:
    """What one channel was told about one group, kept in memory.

    Call `step` whenever something changed and at `ask_again_at`; give it the firing alerts and those that ended since.
    """

    policy: Policy = field(default_factory=Policy)
    told: Told | None = None
    cooldowns: dict[str, Cooling] = field(default_factory=dict)
    _ended: dict[str, Alert] = field(default_factory=dict)

    def step(self, alerts: Sequence[Alert], now: datetime, muted: AbstractSet[str] = frozenset()) -> Decision:
        """The decision at `now`, which counts as delivered where it sends."""
        firing = {alert.fingerprint for alert in alerts if alert.state is AlertState.FIRING}
        self._ended |= {alert.fingerprint: alert for alert in alerts if alert.state is AlertState.RESOLVED}
        told = self.told.firing if self.told else frozenset()
        self._ended = {fp: alert for fp, alert in self._ended.items() if fp in told and fp not in firing}
        current = [alert for alert in alerts if alert.state is AlertState.FIRING]
        decision = decide(
            self.told, [*current, *self._ended.values()], muted, self.cooldowns, policy=self.policy, now=now
        )
        if decision.send or decision.why is Why.CLEARED:
            self.told = decision.told(now)
            self.cooldowns |= decision.cooling(now)
        return decision
