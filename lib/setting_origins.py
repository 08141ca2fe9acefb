"""Where the value of each setting comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource

from lib.setting_problems import unknown
from lib.setting_sources import file_variables

DEFAULT = "default"
AT_START = "given at the start"
"""For a value that none of the places has now: an edit since, or an argument of the program that started it."""


def origins(model: type[BaseSettings], variables: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Per field of `variables` (with the names that set it): "default", "environment", "file PATH (NAME_FILE)" or
    ".env", whichever wins; with the variable's name where it is not the preferred one. Reads the places anew."""
    environment, dotenv, files = (
        EnvSettingsSource(model).env_vars, DotEnvSettingsSource(model).env_vars, file_variables(model),
    )  # fmt: skip
    found = {}
    for field, names in variables.items():
        places = (
            *(_place("environment", name, names) for name in names if name.lower() in environment),
            *(f"file {files[name + '_FILE']} ({name}_FILE)" for name in names if files.get(name + "_FILE")),
            *(_place(".env", name, names) for name in names if name.lower() in dotenv),
        )
        found[field] = next(iter(places), DEFAULT)
    return found


def unknown_names(model: type[BaseSettings], variables: Mapping[str, Sequence[str]]) -> list[str]:
    """What the environment and `.env` name as settings of ours and what is none, a sentence each. `variables` as in `origins`."""
    given = (*EnvSettingsSource(model).env_vars, *DotEnvSettingsSource(model).env_vars)
    return unknown(given, (name for names in variables.values() for name in names))


def _place(where: str, name: str, names: Sequence[str]) -> str:
    return where if name == names[0] else f"{where} {name}"
