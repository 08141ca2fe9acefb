"""Selectors and series as PromQL writes them, whatever is in their names and values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

_WHERE = ("instance", "job", "pod")
"""Where a series comes from: of the labels what a reader looks for last."""

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
    """The name of each as PromQL writes it; no two are alike."""
    return _numbered([series_name(labels) for labels in series])


def told_apart(series: Sequence[Mapping[str, str]]) -> list[str]:
    """Each by the labels in which they differ, short enough for a legend: "queue_name=leads, instance=a:3000"; a single one
    by all it has, and "value" where that is nothing. No two are alike."""
    names = sorted({name for labels in series for name in labels}, key=lambda name: (name in _WHERE, name))
    differ = [name for name in names if len({labels.get(name, "") for labels in series}) > 1]
    shown = differ or [name for name in names if name != "__name__"]
    return _numbered(
        [", ".join(_pair(name, labels[name]) for name in shown if labels.get(name)) or "value" for labels in series]
    )


def _pair(name: str, value: str) -> str:
    return value if name == "__name__" else f"{name}={value}"


def _numbered(names: Sequence[str]) -> list[str]:
    """The second of a kind has a number behind it."""
    seen, shown = Counter[str](), []
    for name in names:
        seen[name] += 1
        shown.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return shown
