"""What is wrong with the settings, in words that name each one and the form it needs; never a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from lib.setting_sources import PREFIX, variable_names

_NO_NUMBER = ("int_", "float_", "greater_than", "less_than", "finite_number")
"""How pydantic calls what is wrong with a number; its own words name at most one of the limits."""

OF_SERVICES = ("HALO_OPS_ALERTS_URL", "HALO_OPS_ALERTS_TOKEN")
"""What a service is given to tell of its exceptions (docs/alert-api.md); it may run in the same environment."""

_FILE = "_FILE"
_INJECTED = re.compile(rf"{PREFIX}(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?)")
"""What Kubernetes sets by itself where the service is named halo-ops."""


def problems(error: ValidationError, fields: Mapping[str, FieldInfo]) -> list[str]:
    """A line per problem, by the name of the variable that sets it."""
    found = []
    for item in error.errors():
        text = str(item["msg"]).removeprefix("Value error, ")
        if not item["loc"]:
            found.append(text)
            continue
        key = str(item["loc"][0])
        field = fields.get(key)
        if field and item["type"].startswith(_NO_NUMBER):
            text = _number_form(field)
        found.append(f"{variable_names(key, field)[0] if field else key}: {text}")
    return found


def _number_form(field: FieldInfo) -> str:
    """What a number must be, in words: "must be a whole number from 1 to 65535"."""
    limits = {name: getattr(rule, name) for rule in field.metadata for name in ("ge", "le") if hasattr(rule, name)}
    words = (
        {"ge": "from {ge:g}", "le": "to {le:g}"}
        if len(limits) > 1
        else {"ge": "of {ge:g} or more", "le": "of at most {le:g}"}
    )
    said = [words[name].format(**limits) for name in ("ge", "le") if name in limits]
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    unit = f" ({extra['unit']})" if extra.get("unit") else ""
    return " ".join([f"must be a {'whole ' if field.annotation is int else ''}number", *said]) + unit


def unknown(given: Iterable[str], known: Iterable[str]) -> list[str]:
    """A sentence per name in `given` that begins as our settings do and is none of `known`, with the nearest that is."""
    settings = tuple(known)
    names = {*settings, *(name + _FILE for name in settings), *OF_SERVICES}
    wrong = {name.upper() for name in given} - names
    return [
        _told(name, settings) for name in sorted(wrong) if name.startswith(PREFIX) and not _INJECTED.fullmatch(name)
    ]


def _told(name: str, settings: tuple[str, ...]) -> str:
    ending = _FILE if name.endswith(_FILE) else ""
    own = [
        setting.removeprefix(PREFIX) for setting in settings if setting.startswith(PREFIX)
    ]  # alike is what follows it
    near = get_close_matches(name.removeprefix(PREFIX).removesuffix(ending), own, 1)
    meant = f": did you mean {PREFIX}{near[0]}{ending}?" if near else ""
    return f"{name}: there is no such setting{meant}"
