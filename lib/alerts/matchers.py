"""Which alerts are meant: matchers on labels, as Alertmanager writes them: severity="critical",team=~"a|b","a.b"="c"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lib.duck import in_memory
from lib.errors import QueryError
from lib.metrics.re2 import Re2

MOST_MATCHERS = 64
LONGEST = 256
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_ONE = re.compile(rf'\s*({_NAME.pattern}|{_QUOTED})\s*(=~|!~|!=|=)\s*({_QUOTED}|[^\s,"{{}}]*)\s*(?:,|$)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
Labels = Mapping[str, str]


class Op(StrEnum):
    """How a label is compared; a label that is not there is empty."""

    IS = "="
    IS_NOT = "!="
    LIKE = "=~"
    NOT_LIKE = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One comparison. A regular expression must match from end to end."""

    name: str
    op: Op
    value: str

    def __str__(self) -> str:
        name = self.name if _NAME.fullmatch(self.name) else _quoted(self.name)
        return f"{name}{self.op}{_quoted(self.value)}"

    def as_json(self) -> dict[str, str]:
        """As a silence keeps it."""
        return {"name": self.name, "op": self.op.value, "value": self.value}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return _ESCAPED.sub(lambda one: "\n" if one[1] == "n" else one[1], text[1:-1])


def from_json(kept: Iterable[Mapping[str, str]]) -> tuple[Matcher, ...]:
    """What `as_json` made."""
    return tuple(Matcher(one["name"], Op(one["op"]), one["value"]) for one in kept)


def written(matchers: Iterable[Matcher]) -> str:
    """In the form that `read` reads: for an address or a field."""
    return ",".join(map(str, matchers))


def exactly(labels: Labels) -> tuple[Matcher, ...]:
    """Matchers that name each of these labels."""
    return tuple(Matcher(name, Op.IS, value) for name, value in sorted(labels.items()) if value)


def read(text: str) -> tuple[Matcher, ...]:
    """The matchers of `a="b",c=~"d"`, with or without braces around. Raises QueryError that says what is wrong where."""
    inner, found, at = text.strip(), [], 0
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    while inner[at:].strip():
        match = _ONE.match(inner, at)
        if match is None:
            raise QueryError(f'“{inner[at : at + 60].strip()}” is no matcher: write name="value", also != =~ !~', at)
        found.append(Matcher(_unquoted(match[1]), Op(match[2]), _unquoted(match[3])))
        at = match.end()
    return check(found)


def check(matchers: Sequence[Matcher]) -> tuple[Matcher, ...]:
    """The same matchers. Raises QueryError for none, too many, an empty name or a pattern that RE2 refuses, and where
    every one of them also matches what has no labels: that would be everything."""
    if not matchers:
        raise QueryError("at least one matcher is needed")
    if len(matchers) > MOST_MATCHERS:
        raise QueryError(f"at most {MOST_MATCHERS} matchers can be combined")
    for one in matchers:
        if not one.name:
            raise QueryError("a label has no empty name")
        if len(one.value) > LONGEST and one.op in (Op.LIKE, Op.NOT_LIKE):
            raise QueryError(f"the pattern for {one.name} is longer than {LONGEST} characters")
    if all(hit(matchers, [{}])):
        raise QueryError("these matchers match every alert: name at least one label that must be there")
    return tuple(matchers)


_re2: list[Re2] = []


def _regular() -> Re2:
    if not _re2:
        _re2.append(Re2(in_memory()))
    return _re2[0]


def hit(matchers: Sequence[Matcher], labels: Sequence[Labels]) -> list[bool]:
    """Whether each set of labels is matched by every matcher. Raises QueryError for a pattern that RE2 does not know."""
    verdict = [True] * len(labels)
    for one in matchers:
        values = [had.get(one.name, "") for had in labels]
        verdict = [a and b for a, b in zip(verdict, _compared(one, values), strict=True)]
    return verdict


def _compared(one: Matcher, values: list[str]) -> list[bool]:
    if one.op is Op.IS:
        return [value == one.value for value in values]
    if one.op is Op.IS_NOT:
        return [value != one.value for value in values]
    distinct = sorted(set(values))
    likes = dict(zip(distinct, _regular().matches(one.value, distinct), strict=True)) if distinct else {}
    return [likes[value] is (one.op is Op.LIKE) for value in values]
