"""Selectors and series as PromQL writes them, whatever is in their names and values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

_Q = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def selector(metric: str, label: str = "", value: str = "") -> str:
    """The PromQL selector of a metric, whatever is in its name and in the label's value."""
    named = metric if metric.replace("_", "a").replace(":", "a").isalnum() and metric.isascii() else ""
    parts = [] if named else [f'__name__="{metric.translate(_Q)}"']
    if label:
        parts.append(f'{label}="{value.translate(_Q)}"')
    return f"{named}{{{', '.join(parts)}}}" if parts else named


def series_name(labels: Mapping[str, str]) -> str:
    """A series as PromQL writes it: ``up{instance="a"}``; "value" for one without labels."""
    rest = ", ".join(f'{name}="{value.translate(_Q)}"' for name, value in sorted(labels.items()) if name != "__name__")
    return f"{labels.get('__name__', '')}{f'{{{rest}}}' if rest else ''}" or "value"


def series_names(series: Sequence[Mapping[str, str]]) -> list[str]:
    """The name of each; the second of a kind has a number behind it, so that no two are alike."""
    seen, shown = Counter[str](), []
    for name in map(series_name, series):
        seen[name] += 1
        shown.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return shown
