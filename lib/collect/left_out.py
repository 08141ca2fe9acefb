"""What an import leaves out of one file: counted by reason, each with its first case."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class LeftOut:
    """How often, by reason, and where first."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def note(self, reason: str, count: int = 1, first: str = "") -> None:
        """Some more of one reason; none changes nothing."""
        if count:
            self.counts[reason] += count
            self.first.setdefault(reason, first)

    def told(self, file: str) -> list[str]:
        """A line for each reason."""
        return [
            f"{file}: {reason}: {count} left out" + (f"; first: {self.first[reason]}" if self.first[reason] else "")
            for reason, count in self.counts.items()
        ]
