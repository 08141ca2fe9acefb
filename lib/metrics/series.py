"""The series of the embedded store, in memory: label set → number, and which series a selector means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lib.metrics.base import Labels
from lib.metrics.promql.values import LabelSet, Matcher, Op

RegexMatch = Callable[[str, list[str]], list[bool]]
"""Which of the values a pattern matches from end to end."""


def canonical(labels: Labels) -> str:
    """The identity of a label set as one string; an empty label is an absent one."""
    return "\xff".join(f"{name}\xfe{labels[name]}" for name in sorted(labels) if labels[name])


class SeriesIndex:
    """Every known series. Numbers only grow, so that a reader never sees one change its meaning."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._labels: dict[int, LabelSet] = {}
        self._by_name: dict[str, dict[int, None]] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._labels)

    def add(self, number: int, labels: LabelSet) -> None:
        """Makes a stored series known."""
        self._labels[number] = labels
        self._by_name.setdefault(labels.get("__name__", ""), {})[number] = None
        self._numbers[canonical(labels)] = number
        self._next = max(self._next, number + 1)

    def remove(self, numbers: Iterable[int]) -> None:
        """Forgets series that hold no samples any more. Readers keep the tables that they began with."""
        gone = set(numbers)
        left = {number: labels for number, labels in self._labels.items() if number not in gone}
        by_name: dict[str, dict[int, None]] = {}
        for number, labels in left.items():
            by_name.setdefault(labels.get("__name__", ""), {})[number] = None
        self._numbers = {canonical(labels): number for number, labels in left.items()}
        self._labels, self._by_name = left, by_name

    def resolve(self, labels: Sequence[Labels]) -> tuple[list[int], dict[int, LabelSet]]:
        """The number of each label set, and the series among them that are new (known only after `add`)."""
        numbers, new, fresh = [], {}, dict[str, int]()
        for wanted in labels:
            key = canonical(wanted)
            number = self._numbers.get(key, fresh.get(key, -1))
            if number < 0:
                number = fresh[key] = self._next + len(fresh)
                new[number] = {name: value for name, value in wanted.items() if value}
            numbers.append(number)
        return numbers, new

    def all(self) -> dict[int, LabelSet]:
        """Every known series."""
        return dict(self._labels)

    def find(self, matchers: Sequence[Matcher], matches: RegexMatch) -> dict[int, LabelSet]:
        """The series that meet every matcher, by ascending number."""
        name = next((m.value for m in matchers if m.name == "__name__" and m.op is Op.EQUAL), None)
        named = self._by_name.get(name, {}) if name is not None else self._labels
        labels = self._labels
        found = {number: labels[number] for number in sorted(named) if number in labels}
        for matcher in matchers:
            accepted = _accepted(matcher, found, matches)
            found = {n: series for n, series in found.items() if series.get(matcher.name, "") in accepted}
        return found


def _accepted(matcher: Matcher, found: dict[int, LabelSet], matches: RegexMatch) -> set[str]:
    """The values of the matcher's label that it lets through: a question about few values, not about many series."""
    values = {series.get(matcher.name, "") for series in found.values()}
    if matcher.op is Op.EQUAL:
        return values & {matcher.value}
    if matcher.op is Op.NOT_EQUAL:
        return values - {matcher.value}
    listed = sorted(values)
    hits = {value for value, hit in zip(listed, matches(matcher.value, listed), strict=True) if hit}
    return hits if matcher.op is Op.MATCHES else values - hits
