"""PromQL expressions by the dice, over everything that the embedded store supports.

Where a result depends on the last bit of a number (a comparison, a floor, a rank), only operands are put whose value is
the same in any order of evaluation: `exact` says so of a phrase. Everything else may be nested freely.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tests.metrics import words
from tests.metrics.crowds import Family
from tests.metrics.selectors import Selectors


@dataclass(frozen=True, slots=True)
class Phrase:
    """An expression that gives series. `labels`: those that it may be grouped by."""

    text: str
    labels: tuple[str, ...]
    exact: bool = True

    def shaped(self, shape: str, *, exact: bool) -> Phrase:
        """The phrase put into `shape` at {}."""
        return Phrase(shape.replace("{}", self.text), self.labels, exact=self.exact and exact)


class Phrases(Selectors):
    """A source of expressions over `families`. `free`: also what Prometheus 2 and 3 answer differently."""

    def __init__(self, dice: random.Random, families: Sequence[Family], *, free: bool = False) -> None:
        super().__init__(dice, families)
        self._free = free
        self._makers: tuple[tuple[Callable[[int], Phrase], int], ...] = (
            (self._selected, 2), (self._windowed, 5), (self._rated, 5), (self._aggregated, 5), (self._ranked, 2),
            (self._mapped, 3), (self._with_number, 4), (self._paired, 5), (self._set, 3), (self._bucketed, 3),
            (self._relabelled, 2), (self._absent, 1), (self._numbered, 1),
        )  # fmt: skip

    def expression(self) -> str:
        """The next one; every sixteenth or so is refused by Prometheus."""
        return self._refused() if self._dice.random() < 0.06 else self._phrase(2).text

    def _phrase(self, depth: int) -> Phrase:
        if depth <= 0:
            return self._selected(0)
        makers, weights = zip(*self._makers, strict=True)
        made: Phrase = self._dice.choices(makers, weights)[0](depth)
        return made

    def _exact(self, depth: int) -> Phrase:
        """A phrase whose every bit is certain."""
        for _ in range(8):
            found = self._phrase(depth)
            if found.exact:
                return found
        return self._selected(0)

    def _selected(self, _depth: int) -> Phrase:
        family = self._family()
        return Phrase(self._selector(family) + self._offset(), tuple(family.labels))

    def _window(self, family: Family) -> Phrase:
        text = f"{self._selector(family)}[{self._dice.choice(words.RANGES)}]{self._offset()}"
        return Phrase(text, tuple(family.labels))

    def _rated(self, _depth: int) -> Phrase:
        family = self._family() if self._free else self._family(counter=True)
        return self._window(family).shaped(
            f"{self._dice.choice(('rate', 'rate', 'increase', 'irate'))}({{}})", exact=False
        )

    def _windowed(self, _depth: int) -> Phrase:
        kind = self._dice.randrange(8)
        # Where a rank falls on a sample beside an infinity, Prometheus 2 says NaN and 3 the sample.
        window = self._window(self._family(distinct=kind == 4 and not self._free))
        if kind < 4:
            name = self._dice.choice(words.OVER_TIME)
            return window.shaped(f"{name}_over_time({{}})", exact=name in words.EXACT_OVER_TIME)
        if kind == 4:
            return window.shaped(f"quantile_over_time({self._dice.choice(words.QUANTILES)}, {{}})", exact=False)
        if kind == 5:
            return window.shaped(f"predict_linear({{}}, {self._dice.choice(('-30', '0', '600'))})", exact=False)
        name = self._dice.choice(("changes", "resets", "idelta", "delta", "deriv"))
        return window.shaped(f"{name}({{}})", exact=name in ("changes", "resets", "idelta"))

    def _grouping(self, labels: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        names = tuple(self._dice.sample(labels, self._dice.randrange(len(labels) + 1)))
        if self._dice.random() < 0.1:
            names = (*names, "nothing")
        kind = self._dice.choice(("", "by", "by", "without"))
        left = {"": (), "by": names, "without": tuple(name for name in labels if name not in names)}[kind]
        return (f" {kind} ({', '.join(names)})" if kind else ""), left

    def _aggregated(self, depth: int) -> Phrase:
        inner = self._phrase(depth - 1)
        grouping, left = self._grouping(inner.labels)
        name = self._dice.choice(words.AGGREGATIONS)
        ahead = self._dice.random() < 0.7
        # One NaN alone has the deviation 0 in Prometheus 2 and NaN in 3.
        body = self._finite(inner) if name.startswith("std") else inner.text
        text = f"{name}{grouping} ({body})" if ahead else f"{name}({body}){grouping}"
        return Phrase(text, left, exact=inner.exact and name in words.COUNTED)

    def _finite(self, phrase: Phrase) -> str:
        """Without NaN and infinities where the two versions of Prometheus treat them differently."""
        return phrase.text if self._free else f"({phrase.text}) > -Inf < Inf"

    def _ranked(self, depth: int) -> Phrase:
        kind = self._dice.randrange(4)
        if kind < 2:
            family = self._family(distinct=True)
            inner, name = self._selector(family) + self._offset(), self._dice.choice(("topk", "bottomk"))
            grouping, _ = self._grouping(tuple(family.labels))
            return Phrase(
                f"{name}{grouping} ({self._dice.choice(('0', '1', '3', '-1', '50'))}, {inner})", tuple(family.labels)
            )
        if kind == 2:
            inner_phrase = self._phrase(depth - 1)
            grouping, left = self._grouping(inner_phrase.labels)
            return Phrase(
                f"quantile{grouping} ({self._dice.choice(words.QUANTILES)}, {self._finite(inner_phrase)})",
                left,
                exact=False,
            )
        counted = self._exact(depth - 1)
        grouping, left = self._grouping(counted.labels)
        return Phrase(f'count_values{grouping} ("v", {counted.text})', (*left, "v"))

    def _mapped(self, depth: int) -> Phrase:
        kind = self._dice.randrange(6)
        if kind < 2:
            exact = self._exact(depth - 1)
            return exact.shaped(f"{self._dice.choice(words.STEPPED)}({{}})", exact=True)
        if kind == 2:
            exact, number = self._exact(depth - 1), self._dice.choice
            shape = number(("clamp({}, -3.5, 40)", "clamp({}, 4, 2)", "clamp_min({}, 3.25)", "clamp_max({}, 10)",
                            "clamp_max({}, NaN)", "clamp_min({}, Inf)", "round({}, 0.5)", "round({}, 4)"))  # fmt: skip
            return exact.shaped(shape, exact=True)
        if kind == 3:
            return self._exact(depth - 1).shaped(f"{self._dice.choice(words.SMOOTH)}({{}})", exact=False)
        inner = self._phrase(depth - 1)
        return inner.shaped(self._dice.choice(("sort({})", "sort_desc({})", "-({})", "timestamp({})")), exact=True)

    def _with_number(self, depth: int) -> Phrase:
        kind, mirrored = self._dice.randrange(3), self._dice.random() < 0.3
        if kind == 0:
            inner, op, number = (
                self._exact(depth - 1),
                self._dice.choice((*words.ARITHMETIC, *words.COMPARISON)),
                words.ROUND,
            )
        elif kind == 1:
            inner, op, number = self._phrase(depth - 1), self._dice.choice(("*", "/")), words.ROUGH
        else:
            inner, op, number = self._phrase(depth - 1), self._dice.choice(words.COMPARISON), words.ROUGH
        if op in words.COMPARISON and self._dice.random() < 0.3:
            op += " bool"
        value = self._number(number)
        text = f"{value} {op} ({inner.text})" if mirrored else f"({inner.text}) {op} {value}"
        return Phrase(text, inner.labels, exact=inner.exact and op != "^")

    def _number(self, numbers: Sequence[str]) -> str:
        return "time()" if self._dice.random() < 0.05 else self._dice.choice(numbers)

    def _paired(self, depth: int) -> Phrase:
        return self._dice.choice((self._same_series, self._same_groups, self._enriched, self._any_pair))(depth)

    def _comparison_or(self, arithmetic: Sequence[str]) -> str:
        if self._dice.random() < 0.6:
            return self._dice.choice(arithmetic)
        return self._dice.choice(words.COMPARISON) + self._dice.choice(("", " bool"))

    def _same_series(self, _depth: int) -> Phrase:
        """One to one: the same labels on both sides."""
        op = self._comparison_or(words.ARITHMETIC)
        left = Phrase(self._selector(family := self._family()), tuple(family.labels))
        if self._dice.random() < 0.5:
            offset = self._dice.choice(words.OFFSETS)
            return Phrase(f"{left.text} {op} {left.text} offset {offset}", left.labels, exact="^" not in op)
        disk = self._dice.choice(("", '{disk="a"}', '{disk!="b"}', '{instance=~"i[0-4]:1"}'))
        return Phrase(f"size_bytes {op} limit_bytes{disk}", ("instance", "disk"), exact="^" not in op)

    def _same_groups(self, depth: int) -> Phrase:
        """Aggregated by the same labels, then joined by them."""
        left, right = self._phrase(depth - 1), self._phrase(depth - 1)
        shared = [name for name in left.labels if name in right.labels]
        names = ", ".join(self._dice.sample(shared, self._dice.randrange(len(shared) + 1)))
        exact = self._dice.random() < 0.5
        first, second = (self._dice.choice(words.COUNTED if exact else words.AGGREGATIONS[:6]) for _ in range(2))
        exact = exact and left.exact and right.exact
        op = self._comparison_or(words.ARITHMETIC) if exact else self._dice.choice(("*", "/"))
        on = self._dice.choice((f" on({names})", ""))
        text = f"{first} by ({names}) ({left.text}) {op}{on} {second} by ({names}) ({right.text})"
        return Phrase(text, tuple(names.split(", ")) if names else (), exact=exact and op != "^")

    def _enriched(self, depth: int) -> Phrase:
        """Many to one, by the info series of the instance."""
        many, op = self._exact(depth - 1), self._comparison_or(("+", "-", "*", "/"))
        include = self._dice.choice(("", "()", "(version)", "(version, nothing)"))
        one = self._dice.choice(("info", "info", 'info{version="1.1"}', "sum by (instance) (info)", "info offset 1m"))
        pair = (many.text, "group_left", one) if self._dice.random() < 0.7 else (one, "group_right", many.text)
        return Phrase(
            f"({pair[0]}) {op} on(instance) {pair[1]}{include} {pair[2]}", (*many.labels, "version"), exact=many.exact
        )

    def _any_pair(self, depth: int) -> Phrase:
        """Whatever meets: often nothing does, or too much."""
        left, right = self._exact(depth - 1), self._exact(depth - 1)
        matching = self._matching(left, right)
        grouped = matching and self._dice.random() < 0.4
        side = self._dice.choice((" group_left", " group_right", " group_left(instance)")) if grouped else ""
        op = self._comparison_or(words.ARITHMETIC)
        if not self._free and op in words.COMPARISON:
            op += " bool"  # Prometheus 2 filters first and then looks whether a match was unique
        return Phrase(f"({left.text}) {op}{matching}{side} ({right.text})", left.labels, exact=op != "^")

    def _matching(self, left: Phrase, right: Phrase) -> str:
        names = sorted({*left.labels, *right.labels, "nothing"})
        names = self._dice.sample(names, min(len(names), self._dice.randrange(3)))
        return self._dice.choice(("", f" on({', '.join(names)})", f" ignoring({', '.join(names)})"))

    def _set(self, depth: int) -> Phrase:
        left, right = self._phrase(depth - 1), self._phrase(depth - 1)
        if self._dice.random() < 0.4:
            right = replace(
                left, text=f"({left.text}) {self._dice.choice(words.COMPARISON)} {self._dice.choice(words.ROUGH)}"
            )
        op = self._dice.choice(("and", "or", "unless"))
        text = f"({left.text}) {op}{self._matching(left, right)} ({right.text})"
        return Phrase(text, left.labels, exact=left.exact and (right.exact or op != "or"))

    def _bucketed(self, _depth: int) -> Phrase:
        family = next(f for f in self._families if f.name == "lat_bucket")
        selector, labels = self._selector(family), ("instance", "route")
        kind, length = self._dice.randrange(4), self._dice.choice(words.RANGES[2:])
        if kind == 0:
            return Phrase(f"histogram_quantile({self._dice.choice(words.QUANTILES)}, {selector})", labels, exact=False)
        rated = f"{self._dice.choice(('rate', 'increase'))}({selector}[{length}])"
        # A summed rate that ought to stop growing may differ in its last bit: at q = 1 that would choose the bucket.
        q = self._dice.choice((*words.QUANTILES, *words.INNER) if self._free else words.INNER)
        if kind == 1:
            return Phrase(f"histogram_quantile({q}, {rated})", labels, exact=False)
        names = self._dice.choice(((), ("instance",), ("route",), labels))
        summed = f"sum by ({', '.join((*names, 'le'))}) ({rated})"
        return Phrase(f"histogram_quantile({q}, {summed})", names, exact=False)

    def _relabelled(self, depth: int) -> Phrase:
        inner = self._phrase(depth - 1)
        source = self._dice.choice((*inner.labels, "nothing"))
        target = self._dice.choice(("short", "short", source, "instance"))
        template, pattern = self._dice.choice(
            (("$1", "(.).*"), ("x-$1", ".*(.)"), ("${1}$1$$", "i(.*):1"), ("same", ".*"), ("", ".*"), ("$2", "(.)"),
             ("no", "nomatch"), ("$1", "(?:/|i)(\\\\d+).*"), ("$10", "(.)(.*)"))
        )  # fmt: skip
        if self._dice.random() < 0.3:
            names = ", ".join(f'"{name}"' for name in (*inner.labels, "nothing")[:3])
            return Phrase(
                f'label_join({inner.text}, "{target}", "-", {names})', (*inner.labels, target), exact=inner.exact
            )
        text = f'label_replace({inner.text}, "{target}", "{template}", "{source}", "{pattern}")'
        return Phrase(text, (*inner.labels, target), exact=inner.exact)

    def _absent(self, depth: int) -> Phrase:
        nothing = self._dice.choice(('nosuch{instance="i0:1", x=~"y"}', 'temp{kind="none"}', "nosuch"))
        inner = nothing if self._dice.random() < 0.5 else self._phrase(depth - 1).text
        if self._dice.random() < 0.4:
            window = f"{nothing}[5m]" if self._dice.random() < 0.5 else self._window(self._family()).text
            return Phrase(f"absent_over_time({window})", ("instance", "kind"))
        return Phrase(f"absent({inner})", ("instance", "kind"))

    def _numbered(self, depth: int) -> Phrase:
        """Numbers from series, and series from numbers."""
        one = self._dice.choice(
            ('temp{instance="i0:1", kind="plain"}', "count(info)", "nosuch", "info", "max(size_bytes)")
        )
        if self._dice.random() < 0.5:
            return Phrase(
                f"vector(scalar({one}) {self._dice.choice(words.ARITHMETIC[:4])} {self._dice.choice(words.ROUND)})", ()
            )
        return self._exact(depth - 1).shaped(
            f"({{}}) {self._dice.choice(('+', '-', '*', '>', '< bool'))} scalar({one})", exact=True
        )

    def _refused(self) -> str:
        family = self._family()
        wrong = words.WRONG if self._free else (*words.WRONG, *words.BAD_NAMES)
        return self._dice.choice(wrong).format(
            v=self._selector(family), n=self._dice.choice(words.ROUND), l=self._dice.choice([*family.labels])
        )
