"""Series selectors by the dice: what generated PromQL expressions begin with."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.metrics import words
from tests.metrics.crowds import Family


class Selectors:
    """A source of selectors over `families`."""

    def __init__(self, dice: random.Random, families: Sequence[Family]) -> None:
        self._dice = dice
        self._families = families

    def _family(self, *, counter: bool = False, distinct: bool = False) -> Family:
        fitting = [f for f in self._families if (f.counter or not counter) and (f.distinct or not distinct)]
        return self._dice.choice(fitting)

    def _selector(self, family: Family) -> str:
        matchers = [self._matcher(family) for _ in range(self._dice.choices((0, 1, 2, 3), (6, 8, 4, 1))[0])]
        if self._dice.random() < 0.04:
            return "{" + ", ".join([f'__name__=~"{family.name}|nosuch"', *matchers]) + "}"
        return family.name + ("{" + ", ".join(matchers) + "}" if matchers else "")

    def _matcher(self, family: Family) -> str:
        label = self._dice.choice([*family.labels, *family.labels, *family.labels, "nothing"])
        values = family.labels.get(label, ("x",))
        some = "|".join(self._dice.sample(values, min(len(values), self._dice.choice((1, 2, 3)))))
        one = self._dice.choice(values)
        few = f"{one[:2]}.*"
        return label + self._dice.choice(
            (f'="{one}"', f'="{one}"', f'=~"{some}"', f'=~"{some}"', f'!~"{some}"', f'!="{one}"', f'=~"{few}"',
             '=~".+"', '!~".*1"', '=~"|x"' if label == "nothing" else '!=""', '=""' if label == "nothing" else '!="x"')
        )  # fmt: skip

    def _offset(self) -> str:
        return f" offset {self._dice.choice(words.OFFSETS)}" if self._dice.random() < 0.15 else ""
