"""Every setting, in one table: what it is, its unit, its default, and where its value came from."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from lib.errors import SettingsError
from lib.redact import redact_text
from lib.setting_origins import AT_START, origins

PREFIX = "HALO_OPS_"
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
Names = Annotated[tuple[str, ...], NoDecode]
_INDEX = re.compile(r"[a-z0-9][a-z0-9._*+-]{0,254}")


def _field(
    default: Any, help_text: str, *, unit: str = "", name: str = "", ge: float | None = None, le: float | None = None
) -> Any:
    """One row of the table. `name` is the guide's own variable, read as well as the prefixed one."""
    alias = AliasChoices(name, PREFIX + name) if name else None
    return Field(default, description=help_text, json_schema_extra={"unit": unit}, validation_alias=alias, ge=ge, le=le)


class FileSource(PydanticBaseSettingsSource):
    """`<NAME>_FILE` names a file that holds the value, as orchestrators mount secrets."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The content of the file that `<NAME>_FILE` names, or None where that is not set."""
        for name in variable_names(field_name, field):
            if path := self._environment.get(name + "_FILE"):
                try:
                    return Path(path).read_text(encoding="utf-8").strip(), name, False
                except OSError as error:
                    raise SettingsError(f"{name}_FILE: {path} cannot be read ({error.strerror})") from error
        return None, field_name, False

    def __init__(self, settings_cls: type[BaseSettings], environment: dict[str, str]) -> None:
        super().__init__(settings_cls)
        self._environment = environment

    def __call__(self) -> dict[str, Any]:
        """Every value that came from a file, under the name that the model reads."""
        found = {}
        for field_name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, field_name)
            if value is not None:
                found[variable_names(field_name, field)[0] if field.validation_alias else field_name] = value
        return found


def hosts_of(text: str) -> tuple[str, ...]:
    """The addresses of a comma-separated list."""
    return tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())


def variable_names(field_name: str, field: FieldInfo) -> list[str]:
    """The environment variables that set a field, the preferred one first."""
    if isinstance(field.validation_alias, AliasChoices):
        return [str(choice) for choice in field.validation_alias.choices]
    return [PREFIX + field_name.upper()]


class Settings(BaseSettings):
    """Read from the environment, `*_FILE` files and `.env`, in that order of preference."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )
    LISTS: ClassVar[tuple[str, ...]] = ("log_files", "scrape_targets", "health_targets")

    data_dir: Path = _field(Path("data"), "Folder of the embedded stores (created if missing).")
    log_files: Names = _field(
        (),
        "Log files to follow: comma-separated globs, absolute. Name the combined family (combined*.log); "
        "add error*.log only where there is no combined.",
    )
    scrape_targets: Names = _field((), "/metrics addresses to scrape: comma-separated http(s) URLs.")
    health_targets: Names = _field((), "/health addresses to probe: comma-separated http(s) URLs.")
    job: str = _field("halopsa-integration", "Value of the `job` label of scraped series, and name of the service.")
    scrape_interval_s: float = _field(15, "Time between two scrapes of a target.", unit="s", ge=1, le=300)
    probe_interval_s: float = _field(15, "Time between two probes of a /health address.", unit="s", ge=1, le=300)
    probe_failures: int = _field(3, "Failed probes in a row until a check counts as down.", unit="probes", ge=1, le=20)
    probe_successes: int = _field(
        2, "Good probes in a row until a check counts as up again.", unit="probes", ge=1, le=20
    )
    retention_logs_days: int = _field(30, "Age at which log records are dropped.", unit="days", ge=1, le=3650)
    retention_metrics_days: int = _field(30, "Age at which metric samples are dropped.", unit="days", ge=1, le=3650)
    retention_health_days: int = _field(400, "Age at which health episodes are dropped.", unit="days", ge=1, le=3650)
    zone: str = _field("UTC", "IANA time zone of the team: days, weeks and months follow it.")
    address: str = _field("127.0.0.1", "Address the dashboard listens on. Only loopback until sign-in is configured.")
    port: int = _field(8501, "Port the dashboard listens on.", ge=1, le=65535)
    rules_file: Path = _field(
        Path("deploy/prometheus/rules.yml"), "Prometheus rule file: alert rules and threshold lines."
    )
    demo: bool = _field(False, "Shows the DEMO badge: the data comes from the simulator.")
    simulator_url: str = _field("", "Control address of the simulator (demo mode only).")
    log_level: Literal["debug", "info", "warning", "error"] = _field(
        "info", "Level of the dashboard's own log.", name="LOG_LEVEL"
    )
    halopsa_base_url: str = _field("", "Address of HaloPSA, for links.", name="HALOPSA_BASE_URL")
    elasticsearch_node: str = _field(
        "",
        "Elasticsearch 8 or 9 to read the logs from: comma-separated http(s) URLs. Empty: the embedded store. "
        "While it is set, log files are not followed here.",
        name="ELASTICSEARCH_NODE",
    )
    es_username: str = _field("", "Elasticsearch user; it needs only the right to read the index.", name="ES_USERNAME")
    es_password: SecretStr = _field(SecretStr(""), "Password of the Elasticsearch user.", name="ES_PASSWORD")
    es_api_key: SecretStr = _field(
        SecretStr(""), "Elasticsearch API key (encoded), instead of a user.", name="ES_API_KEY"
    )
    es_bearer_token: SecretStr = _field(
        SecretStr(""), "Elasticsearch bearer token, instead of a user.", name="ES_BEARER_TOKEN"
    )
    es_ca_file: str = _field("", "PEM file of the authority that signed the Elasticsearch certificate.")
    es_verify: bool = _field(True, "Checks the Elasticsearch certificate. Off only for a test.")
    es_index: str = _field(
        "halopsa-integration-*", "Indices, aliases or data streams with the logs: comma-separated, * allowed."
    )
    prometheus_url: str = _field(
        "",
        "Prometheus, Thanos, Mimir or VictoriaMetrics to ask for metrics, with its path prefix and without credentials. "
        "Scrape targets are then not scraped here. Empty: the embedded store.",
        name="PROMETHEUS_URL",
    )
    prometheus_username: str = _field("", "User for basic authentication at Prometheus.", name="PROMETHEUS_USERNAME")
    prometheus_password: SecretStr = _field(
        SecretStr(""), "Password for basic authentication at Prometheus.", name="PROMETHEUS_PASSWORD"
    )
    prometheus_bearer_token: SecretStr = _field(
        SecretStr(""), "Bearer token for Prometheus, instead of user and password.", name="PROMETHEUS_BEARER_TOKEN"
    )
    prometheus_ca: str = _field(
        "", "File with the authority that signed Prometheus' certificate. Empty: the usual ones.", name="PROMETHEUS_CA"
    )
    prometheus_headers: SecretStr = _field(
        SecretStr(""),
        "More headers for Prometheus: comma-separated Name: value, such as X-Scope-OrgID: ops.",
        name="PROMETHEUS_HEADERS",
    )
    scrape_as_well: bool = _field(
        False, "With PROMETHEUS_URL: still scrape into the embedded store, which is then kept but not asked."
    )
    slack_webhook_url: SecretStr = _field(
        SecretStr(""), "Slack incoming webhook. Not used yet: alerts are not delivered.", name="SLACK_WEBHOOK_URL"
    )

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:  # fmt: skip
        """Adds `*_FILE` between the environment and `.env`."""
        import os  # noqa: PLC0415 - the one place that reads the process environment besides pydantic

        return init_settings, env_settings, FileSource(settings_cls, dict(os.environ)), dotenv_settings

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

    @field_validator("prometheus_url")
    @classmethod
    def _server(cls, url: str) -> str:
        if not url:
            return url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be http:// or https:// and a host, at most with a port and a path")
        if "@" in parts.netloc:
            raise ValueError("must not hold credentials: set PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD")
        return url

    @field_validator("prometheus_ca")
    @classmethod
    def _readable(cls, path: str) -> str:
        if path and not Path(path).is_file():
            raise ValueError("must be the path of a readable PEM file")
        return path

    @field_validator("prometheus_headers")
    @classmethod
    def _header_lines(cls, headers: SecretStr) -> SecretStr:
        for line in _lines(headers):
            name, colon, value = line.partition(":")
            if not colon or not _HEADER_NAME.fullmatch(name.strip()) or not value.strip().isprintable():
                raise ValueError("must be Name: value, several of them separated by commas")
        return headers

    @model_validator(mode="after")
    def _one_way_in(self) -> Settings:
        if bool(self.prometheus_password.get_secret_value()) and not self.prometheus_username:
            raise ValueError("PROMETHEUS_PASSWORD: needs PROMETHEUS_USERNAME")
        if self.prometheus_username and self.prometheus_bearer_token.get_secret_value():
            raise ValueError("PROMETHEUS_BEARER_TOKEN: set either this or PROMETHEUS_USERNAME, not both")
        return self

    @property
    def prometheus_header_fields(self) -> dict[str, str]:
        """`prometheus_headers` as names and values."""
        pairs = (line.partition(":") for line in _lines(self.prometheus_headers))
        return {name.strip(): value.strip() for name, _, value in pairs}

    @field_validator("elasticsearch_node")
    @classmethod
    def _hosts(cls, text: str) -> str:
        for host in hosts_of(text):
            try:
                parts = urlsplit(host)
                usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            except ValueError:
                usable = False
            if not usable:
                raise ValueError("each address must look like https://elasticsearch:9200")
            if parts.username or parts.password:
                raise ValueError("a user and a password belong into ES_USERNAME and ES_PASSWORD, not into the address")
        return text

    @field_validator("es_index")
    @classmethod
    def _index(cls, text: str) -> str:
        if not all(_INDEX.fullmatch(name) for name in text.split(",")):
            raise ValueError("each must be a name such as halopsa-integration-*: small letters, no * at the start")
        return text

    @model_validator(mode="after")
    def _one_way_to_sign_in(self) -> Settings:
        secrets = {
            "ES_API_KEY": self.es_api_key,
            "ES_BEARER_TOKEN": self.es_bearer_token,
            "ES_PASSWORD": self.es_password,
        }
        given = [name for name, secret in secrets.items() if secret.get_secret_value()]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: only one way to sign in to Elasticsearch can be used")
        return self

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

    @field_validator("address")
    @classmethod
    def _loopback(cls, address: str) -> str:
        if address not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("must be 127.0.0.1, ::1 or localhost: without sign-in every other address is refused")
        return address


def _lines(headers: SecretStr) -> list[str]:
    return [line for line in re.split(r"[,\n]", headers.get_secret_value()) if line.strip()]


def load(**overrides: Any) -> Settings:
    """The settings of this process. Raises SettingsError that lists every problem at once, never a value."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(_problems(error))) from None


def _problems(error: ValidationError) -> list[str]:
    problems = []
    for item in error.errors():
        text = str(item["msg"]).removeprefix("Value error, ")
        if not item["loc"]:
            problems.append(text)
            continue
        key = str(item["loc"][0])
        field = Settings.model_fields.get(key)
        name = variable_names(key, field)[0] if field else key
        problems.append(f"{name}: {text}")
    return problems


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
    variables = {name: variable_names(name, field) for name, field in Settings.model_fields.items()}
    rows, places, changed = [], origins(Settings, variables), changed_since(settings)
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
    return redact_text(", ".join(value) if isinstance(value, tuple) else str(value))[0]


def main(arguments: list[str]) -> int:
    """`--check` lists every problem at once; without it the table is printed too."""
    try:
        settings = load()
    except SettingsError as error:
        print("The settings are wrong:", *str(error).splitlines(), sep="\n  ", file=sys.stderr)  # noqa: T201
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
