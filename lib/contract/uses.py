"""What is dead without a metric, a record or /health: found by asking every signal, rule and evidence and listening."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from lib.alerts.rules import Rule
from lib.contract.base import ALERT
from lib.contract.listening import MOMENT, Health, Logs, Metrics, Read, series_in
from lib.signals.base import Signal
from lib.stores import Stores
from lib.window import Window

ANY = "any_of_them"
"""What a signal is asked about that takes a name: a metric, a route. It is nothing that a service sends."""


@dataclass(frozen=True, slots=True)
class Uses:
    """Who reads what, as people call it ("Alert X", "Page › Card", "Checklists › Item"): per series, per read of the log,
    and of /health."""

    series: dict[str, tuple[str, ...]] = field(default_factory=dict)
    reads: dict[Read, tuple[str, ...]] = field(default_factory=dict)
    health: tuple[str, ...] = ()

    def of_series(self, names: Iterable[str]) -> tuple[str, ...]:
        """Who reads any of these series, alerts first."""
        return _sorted(user for name in names for user in self.series.get(name, ()))

    def of_records(self, event: str, columns: Iterable[str]) -> tuple[str, ...]:
        """Who reads one of these columns of records with this event, or of records of any kind."""
        wanted = set(columns)
        users = (
            user for (kind, column), found in self.reads.items() for user in found
            if kind in ("", event) and column in wanted
        )  # fmt: skip
        return _sorted(users)

    def of_event(self, event: str) -> tuple[str, ...]:
        """Who reads records with this event, whichever of their fields."""
        return _sorted(user for (kind, _), found in self.reads.items() if event and kind == event for user in found)


@dataclass(frozen=True, slots=True)
class Heard:
    """What one signal asked for."""

    series: frozenset[str]
    reads: frozenset[Read]
    health: bool


def heard(signals: Mapping[str, Signal], rules: tuple[Rule, ...]) -> dict[str, Heard]:
    """What each signal asks of its stores, by the signal's name. Asks no real store."""
    return {name: listened(partial(_ask, signal), rules) for name, signal in signals.items()}


def _ask(signal: Signal, stores: Stores) -> None:
    parameters = list(inspect.signature(signal.ask).parameters.values())[2:]
    given = {parameter.name: ANY for parameter in parameters if parameter.default is parameter.empty}
    signal(stores, Window.last("1h", MOMENT), **given)


def listened(ask: Callable[[Stores], object], rules: tuple[Rule, ...]) -> Heard:
    """What `ask` asks of the stores that it is given. Asks no real store."""
    logs, metrics, health = Logs(), Metrics(), Health()
    ask(Stores(logs, metrics, health, rules))
    reads = frozenset(read for read in logs.reads if read[1] != ANY)  # what a viewer chooses, no page depends on
    return Heard(frozenset(metrics.series - {ANY}), reads, health.asked)


def derive(
    signals: Mapping[str, Signal], rules: tuple[Rule, ...], shown: Mapping[str, list[str]], checks: Mapping[str, Heard]
) -> Uses:
    """Who reads what. `shown` names the cards of each signal; a signal that no card shows counts for nobody. `checks` are
    what items of checklists ask, by their names."""
    series: dict[str, list[str]] = {}
    reads: dict[Read, list[str]] = {}
    health: list[str] = []
    for rule in rules:
        for name in series_in(rule.expression):
            series.setdefault(name, []).append(f"{ALERT}{rule.name}")
    users = [(shown.get(signal, []), what) for signal, what in heard(signals, rules).items()]
    users += [([check], what) for check, what in checks.items()]
    for cards, what in users:
        for name in what.series:
            series.setdefault(name, []).extend(cards)
        for read in what.reads:
            reads.setdefault(read, []).extend(cards)
        health += cards if what.health else []
    return Uses(
        {name: _sorted(users) for name, users in series.items()},
        {read: _sorted(users) for read, users in reads.items()},
        _sorted(health),
    )


def _sorted(users: Iterable[str]) -> tuple[str, ...]:
    """Each once, alerts first, cards in the order of the pages."""
    once = tuple(dict.fromkeys(users))
    return (*(u for u in once if u.startswith(ALERT)), *(u for u in once if not u.startswith(ALERT)))
