"""How every rule is right now: what its last evaluation said, and how many of its alerts are open."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select

from lib.alerts.model import AlertState, Origin
from lib.alerts.tables import AlertRow, RuleStateRow
from lib.state.database import State

SOURCE = "rules"


@dataclass(frozen=True, slots=True)
class Now:
    """A rule by name: `health` (unknown, ok, error, no-data) of its last evaluation and why, open alerts by state.

    `last_eval` None: it was not evaluated yet. `kept` counts firing alerts that are recovering.
    """

    health: str = "unknown"
    reason: str = ""
    since: datetime | None = None
    ever_seen: bool = True
    last_eval: datetime | None = None
    took_ms: float | None = None
    pending: int = 0
    firing: int = 0
    kept: int = 0

    @property
    def word(self) -> str:
        """One word for the whole: error, firing, recovering, pending, no data, never seen, inactive or not evaluated."""
        if self.health == "error":
            return "error"
        if self.firing:
            return "firing" if self.firing > self.kept else "recovering"
        if self.pending:
            return "pending"
        if self.last_eval is None:
            return "not evaluated"
        if not self.ever_seen:
            return "never seen"
        return "no data" if self.health == "no-data" else "inactive"


def board(state: State) -> dict[str, Now]:
    """Every rule that was evaluated or has open alerts, by name; the worst where several have one name. Raises SourceError."""
    with state.reading(SOURCE) as session:
        found: dict[str, Now] = {}
        for row in session.scalars(select(RuleStateRow)):
            now = Now(row.health, row.reason, row.health_since, row.ever_seen, row.last_eval, row.took_ms)
            found[row.name] = _worse(found.get(row.name), now)
        open_alerts = (
            select(AlertRow.name, AlertRow.state, func.count(), func.count(AlertRow.keep_since))
            .where(AlertRow.state != AlertState.RESOLVED.value, AlertRow.origin == Origin.ENGINE.value)
            .group_by(AlertRow.name, AlertRow.state)
        )
        for name, told, count, kept in session.execute(open_alerts):
            before = found.get(name, Now())
            found[name] = (
                replace(before, firing=count, kept=kept)
                if told == AlertState.FIRING.value
                else replace(before, pending=count)
            )
    return found


def _worse(before: Now | None, now: Now) -> Now:
    order = ("error", "no-data", "unknown", "ok")
    if before is None or before.health not in order:
        return now
    return min(before, now, key=lambda one: order.index(one.health) if one.health in order else len(order))
