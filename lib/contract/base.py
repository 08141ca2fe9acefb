"""What a check of the contract says: one finding per expected record, field, metric or health check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lib.redact import redact_text


class Verdict(StrEnum):
    """How an expected item stands. "not checked" says that its source did not answer: neither good nor bad."""

    MISSING = "missing"
    DOUBTFUL = "doubtful"
    UNKNOWN = "not checked"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing that is wrong with an item that is there, and what to do about it."""

    said: str
    hint: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the contract.

    `kind` is metric, log or health. `said` is what was found, `hint` what to do ("" where nothing is). `last_seen` is
    None where it never was, or is not known. `count` is series, or records of the window; None where it is not known.
    `dead` names the alerts, cards and checks that show nothing, or less, without it.
    """

    item: str
    kind: str
    verdict: Verdict
    said: str
    hint: str = ""
    last_seen: datetime | None = None
    count: int | None = None
    dead: tuple[str, ...] = ()

    @property
    def dead_rules(self) -> int:
        """How many alert rules cannot fire without it."""
        return sum(name.startswith(ALERT) for name in self.dead)

    @property
    def dead_checks(self) -> int:
        """How many items of the checklists have no evidence without it."""
        return sum(name.startswith(CHECK) for name in self.dead)


ALERT, CHECK = "Alert ", "Checklists › "
"""How the name of a rule, and that of an item of the checklists, begins in `Finding.dead`."""

_ORDER = (Verdict.MISSING, Verdict.DOUBTFUL, Verdict.UNKNOWN, Verdict.OK)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Missing, doubtful, not checked, ok; in each, first what silences most alerts, then most cards."""
    return sorted(findings, key=lambda f: (_ORDER.index(f.verdict), -f.dead_rules, -len(f.dead), f.kind, f.item))


def judged(
    item: str, kind: str, doubts: Sequence[Doubt], *, fine: str, last_seen: datetime | None = None,
    count: int | None = None, dead: tuple[str, ...] = (),
) -> Finding:  # fmt: skip
    """The finding of an item that is there: ok and `fine`, or doubtful with every doubt."""
    if not doubts:
        return Finding(item, kind, Verdict.OK, fine, "", last_seen, count, dead)
    said, hint = "; ".join(doubt.said for doubt in doubts), " ".join(dict.fromkeys(doubt.hint for doubt in doubts))
    return Finding(item, kind, Verdict.DOUBTFUL, redact_text(said)[0], hint, last_seen, count, dead)
