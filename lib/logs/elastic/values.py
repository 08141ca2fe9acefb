"""The value of a field for a group of records, from the raw values of the names that it may have."""

from __future__ import annotations

from typing import Any

from lib.logs.elastic import filters
from lib.logs.elastic.client import Body
from lib.logs.elastic.fields import Plan
from lib.logs.elastic.records import Clean
from lib.logs.patterns import normalise
from lib.logs.rollup import pattern_id


def made(plan: Plan, name: str, values: Body, clean: Clean) -> str:
    """The field's value of a group whose raw values are given: as it is, or made from the texts that it comes from."""
    if not filters.derived(plan, name):
        value = first(plan, name, values)
        return filters.level_of(value) if name == "level" else value
    return pattern_id(pattern_of(plan, values, clean))


def pattern_of(plan: Plan, values: Body, clean: Clean) -> str:
    """The pattern of the error text, or of the message where there is none."""
    return normalise(str(clean(text_of(plan, values))))


def text_of(plan: Plan, values: Body) -> str:
    """The text that a pattern is made of."""
    return next((text for raw in filters.DERIVED["pattern_id"] if (text := first(plan, raw, values))), "")


def first(plan: Plan, name: str, values: Body) -> str:
    """The first of the field's names that the record has, as text."""
    for path in plan.paths(name):
        value = values.get(path.name)
        if value is not None:
            return key_text(value)
    return ""


def key_text(value: Any) -> str:
    """A value as the product writes it: true, and 5 for 5.0."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
