"""label_replace and label_join: labels made from other labels."""

from __future__ import annotations

import re

from lib.errors import QueryError
from lib.metrics.promql.values import LABEL, LabelSet, Source, Vector, merged

LONGEST_REGEX = 256
_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")


def label_replace(source: Source, vector: Vector, *, target: str, template: str, origin: str, pattern: str) -> Vector:
    """`target` set to `template` (``$1`` = group 1) where `pattern` matches all of label `origin`; else untouched."""
    _valid(target, "label_replace")
    if len(pattern) > LONGEST_REGEX:
        raise QueryError(f"the regular expression in label_replace is longer than {LONGEST_REGEX} characters")
    texts = [labels.get(origin, "") for labels in vector.labels]
    groups = source.capture(pattern, texts)
    labels = [
        series if found is None else _with(series, target, _expanded(template, found))
        for series, found in zip(vector.labels, groups, strict=True)
    ]
    return merged(Vector(labels, vector.values, vector.present))


def label_join(vector: Vector, target: str, separator: str, origins: list[str]) -> Vector:
    """`target` set to the values of `origins`, joined."""
    _valid(target, "label_join")
    joined = [separator.join(labels.get(name, "") for name in origins) for labels in vector.labels]
    labels = [_with(series, target, text) for series, text in zip(vector.labels, joined, strict=True)]
    return merged(Vector(labels, vector.values, vector.present))


def _valid(name: str, function: str) -> None:
    if not LABEL.match(name):
        raise QueryError(f"invalid destination label name in {function}(): {name[:100]}")


def _with(labels: LabelSet, name: str, value: str) -> LabelSet:
    kept = {key: text for key, text in labels.items() if key != name}
    return kept | {name: value} if value else kept


def _expanded(template: str, groups: list[str]) -> str:
    def group(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        name = match[2] or match[3]
        if not (name.isascii() and name.isdigit()):
            raise QueryError(f"the named group {name[:40]} in label_replace is not supported on the embedded store")
        return groups[int(name)] if len(name) < 3 and int(name) < len(groups) else ""

    return _REFERENCE.sub(group, template)
