"""How one setting is declared, and where its value may come from besides the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, DotEnvSettingsSource, PydanticBaseSettingsSource

PREFIX = "HALO_OPS_"


def setting(
    default: Any, help_text: str, *, unit: str = "", name: str = "", ge: float | None = None, le: float | None = None
) -> Any:
    """One row of the table. `name` is the guide's own variable, read as well as the prefixed one."""
    alias = AliasChoices(name, PREFIX + name) if name else None
    return Field(default, description=help_text, json_schema_extra={"unit": unit}, validation_alias=alias, ge=ge, le=le)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for the value of a file that could not be read, so that this is told with all other problems."""

    said: str


class FileSource(PydanticBaseSettingsSource):
    """`<NAME>_FILE`, in the environment or in `.env`, names a file that holds the value, as orchestrators mount secrets."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The content of the file that `<NAME>_FILE` names, or None where that is not set."""
        for name in variable_names(field_name, field):
            if path := self._named.get(name + "_FILE"):
                try:
                    return Path(path).read_text(encoding="utf-8").strip(), name, False
                except OSError as error:
                    return (
                        Unreadable(f"the file {path} that {name}_FILE names cannot be read ({error.strerror})"),
                        name,
                        False,
                    )
                except UnicodeDecodeError:
                    return Unreadable(f"the file {path} that {name}_FILE names is not text in UTF-8"), name, False
        return None, field_name, False

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        self._named = file_variables(settings_cls)

    def __call__(self) -> dict[str, Any]:
        """Every value that came from a file, under the name that the model reads."""
        found = {}
        for field_name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, field_name)
            if value is not None:
                found[variable_names(field_name, field)[0] if field.validation_alias else field_name] = value
        return found


def file_variables(model: type[BaseSettings]) -> Mapping[str, str]:
    """What may name a file: the environment, and what `.env` has that the environment has not."""
    dotenv = {name.upper(): value for name, value in DotEnvSettingsSource(model).env_vars.items() if value}
    return dotenv | dict(os.environ)


def variable_names(field_name: str, field: FieldInfo) -> list[str]:
    """The environment variables that set a field, the preferred one first."""
    if isinstance(field.validation_alias, AliasChoices):
        return [str(choice) for choice in field.validation_alias.choices]
    return [PREFIX + field_name.upper()]
