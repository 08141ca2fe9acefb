"""Alerting as the worker runs it: who evaluates, the rules in force, their evaluation, and what is kept how long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from lib.alerts.delivery.assembly import Delivery
from lib.alerts.delivery.history import DeliveryHistory
from lib.alerts.engine.evaluator import Evaluator
from lib.alerts.engine.keeping import drop_old_alerts
from lib.alerts.engine.taken import Taken
from lib.alerts.lease import RENEW_S, Lease
from lib.alerts.rules import Rule
from lib.collect.cadence import Clock, utc_now
from lib.collect.retention import Policy
from lib.errors import SourceUnavailable
from lib.settings import Settings
from lib.state.database import State
from lib.status import AlertingStatus
from lib.wiring import OpenStores

FOLLOW_S, LOOK_S, KEEP_S = 2.0, 0.25, 0.25
LONGEST_WAIT_S = 5.0
"""A state database that was away is asked again this soon: whoever dies meanwhile has to be followed, and people told."""

STALLED_INTERVALS = 8
"""Nobody is told that all is well when no rule was evaluated for so many intervals."""


class Task(NamedTuple):
    """What a loop does, how often, and how long it waits at most after failures."""

    name: str
    period_s: float
    turn: Callable[[], object]
    longest_wait_s: float = LONGEST_WAIT_S


class Alerting:
    """Everything about alerts that goes round by itself: `tasks` for the worker's loops, `status` for the pages.

    Raises SettingsError for routes that cannot be, and SourceUnavailable.
    """

    def __init__(self, settings: Settings, stores: OpenStores, *, clock: Clock = utc_now) -> None:
        self._rulebook = stores.rulebook
        self._settings = settings
        self._state = stores.state
        self.lease = Lease(stores.state, clock=clock)
        self._clock = clock
        self.delivery = Delivery(
            settings,
            stores.state,
            lambda: self._rulebook.rules,
            clock=clock,
            holds=self.lease.holds,
            healthy=self.healthy,
        )
        source = stores.prometheus if settings.rules_from == "prometheus" else None
        self._taken = Taken(stores.state, source, self.lease, self.delivery.dispatcher.dispatch, clock=clock)
        self._evaluator = Evaluator(
            stores.state, stores.stores.metrics, self.rules, self.lease, self.delivery.dispatcher.dispatch,
            interval_s=settings.rules_interval_s, clock=clock,
        )  # fmt: skip

    def rules(self) -> tuple[Rule, ...]:
        """The rules that are evaluated here: where a Prometheus evaluates, only those of the product about itself."""
        return self._rulebook.own if self._taken.takes else self._rulebook.rules

    @property
    def tasks(self) -> Sequence[Task]:
        """What goes round."""
        return (
            Task("lease", RENEW_S, self.lease.renew),
            Task("rules", FOLLOW_S, self._rulebook.follow),
            Task("evaluation", LOOK_S, self._evaluator.look),
            Task("keeping alerts", KEEP_S, self._evaluator.keep),
            Task("alerts of Prometheus", self._settings.rules_interval_s, self._taken.turn),
            *(Task(*loop) for loop in self.delivery.loops()),
        )

    @property
    def policies(self) -> Sequence[Policy]:
        """What is dropped at which age."""
        settings = self._settings
        return (
            Policy(_Kept("alerts", self._state, drop_old_alerts), settings.retention_alerts_days),
            Policy(DeliveryHistory(self._state), settings.retention_stories_days),
        )

    def status(self) -> AlertingStatus:
        """How evaluation stands; safe from any thread."""
        return replace(self._evaluator.status(), rule_problem=self._rulebook.problem, channels=self.delivery.status())

    def healthy(self) -> bool:
        """Whether this process evaluates, and what it finds is kept: then somebody outside may be told so."""
        told = self._evaluator.status()
        if not self.lease.fresh or told.last_eval is None or told.not_kept_since is not None:
            return False
        return abs(self._clock() - told.last_eval) < timedelta(
            seconds=STALLED_INTERVALS * self._settings.rules_interval_s
        )

    def close(self, *, at_rest: bool = True) -> None:
        """Lets another process evaluate at once. Not where something is still being handed over (`at_rest` False): the
        next holder would hand it over too."""
        self._evaluator.close()
        with suppress(SourceUnavailable):  # then it runs out by itself
            if at_rest:
                self.lease.release()


@dataclass(frozen=True, slots=True)
class _Kept:
    """One table that forgets."""

    name: str
    state: State
    drop: Callable[[Session, datetime], int]

    def retain(self, older_than: datetime) -> object:
        """Drops what is older; how many rows. Raises SourceUnavailable."""
        with self.state.writing(self.name) as session:
            return self.drop(session, older_than)
