"""Every setting, in one table: what it is, its unit, its default, and where its value came from."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from lib.errors import SettingsError
from lib.redact import redact_text
from lib.setting_api import AlertApi
from lib.setting_channels import AlertChannels
from lib.setting_origins import AT_START, origins, unknown_names
from lib.setting_problems import problems
from lib.setting_remote import HEADER_NAME, RemoteStores
from lib.setting_rules import RuleSettings
from lib.setting_sources import PREFIX, FileSource, Unreadable, setting, variable_names
from lib.setting_watch import Watched

LOOPBACK = ("127.0.0.1", "::1", "localhost")
SHORTEST_SECRET = 24
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
Names = Annotated[tuple[str, ...], NoDecode]


class Settings(AlertApi, AlertChannels, RemoteStores, RuleSettings, Watched):
    """Read from the environment, `*_FILE` files and `.env`, in that order of preference."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )
    LISTS: ClassVar[tuple[str, ...]] = (
        "log_files", "scrape_targets", "health_targets", "hosts", "admins", "operators", "backup_files", "heartbeats",
    )  # fmt: skip

    data_dir: Path = setting(Path("data"), "Folder of the embedded stores (created if missing).")
    log_files: Names = setting(
        (),
        "Log files to follow: comma-separated globs, absolute. Name the combined family (combined*.log); "
        "add error*.log only where there is no combined.",
    )
    scrape_targets: Names = setting((), "/metrics addresses to scrape: comma-separated http(s) URLs.")
    health_targets: Names = setting((), "/health addresses to probe: comma-separated http(s) URLs.")
    job: str = setting("halopsa-integration", "Value of the `job` label of scraped series, and name of the service.")
    scrape_interval_s: float = setting(15, "Time between two scrapes of a target.", unit="s", ge=1, le=300)
    probe_interval_s: float = setting(15, "Time between two probes of a /health address.", unit="s", ge=1, le=300)
    probe_failures: int = setting(3, "Failed probes in a row until a check counts as down.", unit="probes", ge=1, le=20)
    probe_successes: int = setting(
        2, "Good probes in a row until a check counts as up again.", unit="probes", ge=1, le=20
    )
    retention_logs_days: int = setting(30, "Age at which log records are dropped.", unit="days", ge=1, le=3650)
    retention_metrics_days: int = setting(30, "Age at which metric samples are dropped.", unit="days", ge=1, le=3650)
    retention_health_days: int = setting(400, "Age at which health episodes are dropped.", unit="days", ge=1, le=3650)
    zone: str = setting("UTC", "IANA time zone of the team: days, weeks and months follow it.")
    sign_in: Literal["", "oidc", "proxy"] = setting(
        "",
        "How people sign in: oidc (OpenID Connect, by [auth] in .streamlit/secrets.toml), proxy (an authenticating proxy), "
        "or empty: not at all, on loopback only.",
    )
    address: str = setting("127.0.0.1", "Address the dashboard listens on. Only loopback without HALO_OPS_SIGN_IN.")
    port: int = setting(8501, "Port the dashboard listens on.", ge=1, le=65535)
    hosts: Names = setting(
        (), "Host names, with their port where it is not the usual one, that browsers may call the dashboard by."
    )
    state_url: SecretStr = setting(
        SecretStr(""),
        "PostgreSQL 15 or newer that keeps the state: postgresql://user@host/database. Empty: SQLite in the data folder.",
    )
    state_password: SecretStr = setting(SecretStr(""), "Password for it, where HALO_OPS_STATE_URL holds none.")
    sign_in_hours: float = setting(12, "With oidc: time until a person signs in again.", unit="h", ge=0.1, le=720)
    proxy_secret: SecretStr = setting(
        SecretStr(""), "With proxy: what the proxy sends as X-Halo-Ops-Proxy-Secret, 24 characters or more."
    )
    proxy_user_header: str = setting(
        "X-Forwarded-User", "With proxy: header that carries the person; the proxy must overwrite a viewer's own."
    )
    proxy_groups_header: str = setting(
        "", "With proxy: header that carries the person's groups, comma-separated. Empty: groups are not read."
    )
    admins: Names = setting((), "Who may do everything: comma-separated mail addresses and group:NAME.")
    operators: Names = setting((), "Who may act but not administer: comma-separated mail addresses and group:NAME.")
    default_role: Literal["", "viewer", "operator", "admin"] = setting(
        "", "Role of everybody else. Empty: viewer; without sign-in admin for who sits at this machine."
    )
    checklists_dir: str = setting("", "Folder of *.yaml checklists. Empty: the shipped ones.")
    demo: bool = setting(False, "Shows the DEMO badge: the data comes from the simulator.")
    simulator_url: str = setting("", "Control address of the simulator (demo mode only).")
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "Level of the dashboard's own log.", name="LOG_LEVEL"
    )
    halopsa_base_url: str = setting("", "Address of HaloPSA, for links.", name="HALOPSA_BASE_URL")

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:  # fmt: skip
        """Adds `*_FILE` between the environment and `.env`."""
        return init_settings, env_settings, FileSource(settings_cls), dotenv_settings

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """What a traceback or a log may show: an address without its credentials."""
        return ((name, _shown(value)) for name, value in super().__repr_args__())

    @field_validator(*LISTS, mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _level(cls, value: Any) -> Any:
        text = str(value).lower()
        return {"warn": "warning", "verbose": "debug", "silly": "debug", "http": "info"}.get(text, text)

    @field_validator("scrape_targets", "health_targets")
    @classmethod
    def _http(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            if not url.startswith(("http://", "https://")) or len(url.split("/")) < 3 or not url.split("/")[2]:
                raise ValueError("each address must start with http:// or https:// and name a host")
        return urls

    @field_validator("log_files")
    @classmethod
    def _absolute(cls, globs: tuple[str, ...]) -> tuple[str, ...]:
        if any(not glob.startswith("/") for glob in globs):
            raise ValueError("each glob must be absolute, such as /var/log/halopsa-integration/combined*.log")
        return globs

    @field_validator("zone")
    @classmethod
    def _zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError("must be an IANA time zone, such as Europe/London")
        return zone

    @field_validator("state_url")
    @classmethod
    def _database(cls, url: SecretStr) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if url.get_secret_value() and (parts.scheme not in ("postgres", "postgresql") or not parts.path.strip("/")):
            raise ValueError("must be postgresql://user@host/database")
        return url

    @field_validator("hosts")
    @classmethod
    def _names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        if any(not _HOST.fullmatch(host) for host in hosts):
            raise ValueError("each must be a host name such as ops.example.com, without https://")
        return tuple(host.lower() for host in hosts)

    @field_validator("proxy_user_header", "proxy_groups_header")
    @classmethod
    def _header(cls, name: str) -> str:
        if name and not HEADER_NAME.fullmatch(name):
            raise ValueError("must be the name of a header")
        return name

    @model_validator(mode="after")
    def _who_evaluates(self) -> Settings:
        if self.rules_from == "prometheus" and not self.prometheus_url:
            raise ValueError("HALO_OPS_RULES_FROM: prometheus needs PROMETHEUS_URL, which is not set")
        return self

    @model_validator(mode="after")
    def _way_in(self) -> Settings:
        secret = self.proxy_secret.get_secret_value()
        if self.sign_in == "proxy" and (len(secret) < SHORTEST_SECRET or not self.proxy_user_header):
            raise ValueError(
                f"HALO_OPS_PROXY_SECRET: HALO_OPS_SIGN_IN=proxy needs {SHORTEST_SECRET} characters or more"
            )
        if secret and self.sign_in != "proxy":
            raise ValueError("HALO_OPS_PROXY_SECRET: only used with HALO_OPS_SIGN_IN=proxy, which is not set")
        return self

    @field_validator("address")
    @classmethod
    def _loopback(cls, address: str, before: ValidationInfo) -> str:
        if address not in LOOPBACK and not before.data.get("sign_in"):
            raise ValueError(
                "must be 127.0.0.1, ::1 or localhost: without HALO_OPS_SIGN_IN every other address is refused"
            )
        return address

    @field_validator("*", mode="before")
    @classmethod
    def _file_was_read(cls, value: Any) -> Any:
        """Last, so that it is asked first: no other check meets the value of a file that could not be read."""
        if isinstance(value, Unreadable):
            raise ValueError(value.said)  # noqa: TRY004 - pydantic gathers these
        return value


def load(**overrides: Any) -> Settings:
    """The settings of this process. Raises SettingsError that lists every problem at once, never a value."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(problems(error, Settings.model_fields))) from None


def unknown_settings() -> list[str]:
    """What is set in the environment or in `.env` as if it were a setting, and is none; a sentence each."""
    return unknown_names(Settings, _variables())


def _variables() -> dict[str, list[str]]:
    return {name: variable_names(name, field) for name, field in Settings.model_fields.items()}


def changed_since(settings: Settings) -> frozenset[str]:
    """The fields that would have another value after a restart. None where the settings are wrong by now: the restart
    would be refused, and `load` says why."""
    try:
        now = load()
    except SettingsError:
        return frozenset()
    return frozenset(name for name in Settings.model_fields if getattr(now, name) != getattr(settings, name))


def table(settings: Settings) -> list[dict[str, str]]:
    """One row per setting: `name`, `value` (a secret only as set/unset), `unit`, `origin`, `default`, `help`.

    `origin` is as `setting_origins` words it.
    """
    rows, places, changed = [], origins(Settings, _variables()), changed_since(settings)
    for field_name, field in Settings.model_fields.items():
        value, default = getattr(settings, field_name), field.default
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        rows.append(
            {
                "name": variable_names(field_name, field)[0],
                "value": _shown(value),
                "unit": str(extra.get("unit", "")),
                "origin": AT_START if field_name in changed else places[field_name],
                "default": _shown(default),
                "help": field.description or "",
            }
        )
    return rows


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "set" if value.get_secret_value() else "unset"
    if isinstance(value, float):
        return str(value).removesuffix(".0")  # as its default is written, which is a whole number
    return redact_text(", ".join(value) if isinstance(value, tuple) else str(value))[0]


def main(arguments: list[str]) -> int:
    """`--check` lists every problem at once, names that are no settings and mistakes in the rules and checklists among them;
    without it the table is printed."""
    wrong, settings = unknown_settings(), None
    try:
        settings = load()
        if "--check" in arguments:
            importlib.import_module("lib.wiring").check_files(settings)  # knows the forms of these files; much to load
    except SettingsError as error:
        wrong = [*str(error).splitlines(), *wrong]
    if settings is None or (wrong and "--check" in arguments):
        print("The settings are wrong:", *wrong, sep="\n  ", file=sys.stderr)  # noqa: T201
        return 1
    if "--check" in arguments:
        print("The settings are right.")  # noqa: T201
        return 0
    for row in table(settings):
        given = f"from: {row['origin']}; default: {row['default'] or 'empty'}"
        print(f"{row['name']}={row['value']}  {row['unit']}\n    {row['help']} ({given})")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
