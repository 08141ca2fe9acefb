"""The settings of the stores that a team has already: Elasticsearch and Prometheus."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from lib.setting_sources import setting

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_INDEX = re.compile(r"[a-z0-9][a-z0-9._*+-]{0,254}")


def hosts_of(text: str) -> tuple[str, ...]:
    """The addresses of a comma-separated list."""
    return tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())


class RemoteStores(BaseSettings):
    """Empty addresses: the embedded stores."""

    elasticsearch_node: str = setting(
        "",
        "Elasticsearch 8 or 9 to read the logs from: comma-separated http(s) URLs. Empty: the embedded store. "
        "While it is set, log files are followed only to ship them there (HALO_OPS_SHIP_TO_ELASTICSEARCH).",
        name="ELASTICSEARCH_NODE",
    )
    es_username: str = setting("", "Elasticsearch user; it needs only the right to read the index.", name="ES_USERNAME")
    es_password: SecretStr = setting(SecretStr(""), "Password of the Elasticsearch user.", name="ES_PASSWORD")
    es_api_key: SecretStr = setting(
        SecretStr(""), "Elasticsearch API key (encoded), instead of a user.", name="ES_API_KEY"
    )
    es_bearer_token: SecretStr = setting(
        SecretStr(""), "Elasticsearch bearer token, instead of a user.", name="ES_BEARER_TOKEN"
    )
    es_ca_file: str = setting("", "PEM file of the authority that signed the Elasticsearch certificate.")
    es_verify: bool = setting(True, "Checks the Elasticsearch certificate. Off only for a test.")
    es_index: str = setting(
        "halopsa-integration-*", "Indices, aliases or data streams with the logs: comma-separated, * allowed."
    )
    ship_to_elasticsearch: bool = setting(
        False,
        "With ELASTICSEARCH_NODE: follow HALO_OPS_LOG_FILES and write their records there. The user then needs the rights "
        "create_doc, create_index and read on the index.",
    )
    ship_index: str = setting(
        "halopsa-integration-{day}",
        "Where shipped records go: {day} becomes the record's day, 2026.03.10; without it, a data stream or an alias. "
        "HALO_OPS_ES_INDEX must cover it.",
    )
    prometheus_url: str = setting(
        "",
        "Prometheus, Thanos, Mimir or VictoriaMetrics to ask for metrics, with its path prefix and without credentials. "
        "Scrape targets are then not scraped here. Empty: the embedded store.",
        name="PROMETHEUS_URL",
    )
    prometheus_username: str = setting("", "User for basic authentication at Prometheus.", name="PROMETHEUS_USERNAME")
    prometheus_password: SecretStr = setting(
        SecretStr(""), "Password for basic authentication at Prometheus.", name="PROMETHEUS_PASSWORD"
    )
    prometheus_bearer_token: SecretStr = setting(
        SecretStr(""), "Bearer token for Prometheus, instead of user and password.", name="PROMETHEUS_BEARER_TOKEN"
    )
    prometheus_ca: str = setting(
        "", "File with the authority that signed Prometheus' certificate. Empty: the usual ones.", name="PROMETHEUS_CA"
    )
    prometheus_headers: SecretStr = setting(
        SecretStr(""),
        "More headers for Prometheus: comma-separated Name: value, such as X-Scope-OrgID: ops.",
        name="PROMETHEUS_HEADERS",
    )
    prometheus_external_url: str = setting(
        "",
        "Address of Prometheus for people's browsers, where it is not PROMETHEUS_URL.",
        name="PROMETHEUS_EXTERNAL_URL",
    )
    grafana_url: str = setting("", "Grafana to open PromQL in, with its path prefix.", name="GRAFANA_URL")
    grafana_datasource: str = setting(
        "", "Name or uid of Grafana's data source for it. Empty: its default.", name="GRAFANA_DATASOURCE"
    )
    kibana_url: str = setting("", "Kibana to open log questions in, with its path prefix and space.", name="KIBANA_URL")
    kibana_data_view: str = setting(
        "", "Id of Kibana's data view for the logs. Empty: its default.", name="KIBANA_DATA_VIEW"
    )
    scrape_as_well: bool = setting(
        False, "With PROMETHEUS_URL: still scrape into the embedded store, which is then kept but not asked."
    )

    @field_validator("prometheus_url", "prometheus_external_url", "grafana_url", "kibana_url")
    @classmethod
    def _server(cls, url: str) -> str:
        if not url:
            return url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be http:// or https:// and a host, at most with a port and a path")
        if "@" in parts.netloc:
            raise ValueError("must not hold credentials: PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD are for those")
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
            if not colon or not HEADER_NAME.fullmatch(name.strip()) or not value.strip().isprintable():
                raise ValueError("must be Name: value, several of them separated by commas")
        return headers

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
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

    @field_validator("ship_index")
    @classmethod
    def _target(cls, text: str) -> str:
        if not _INDEX.fullmatch(text.replace("{day}", "2026.03.10", 1)) or "*" in text:
            raise ValueError("must be a name such as halopsa-integration-{day}: small letters, no *")
        return text

    @model_validator(mode="after")
    def _shipped_is_read(self) -> Self:
        if not self.ship_to_elasticsearch:
            return self
        if not self.elasticsearch_node:
            raise ValueError("HALO_OPS_SHIP_TO_ELASTICSEARCH: needs ELASTICSEARCH_NODE")
        name = self.ship_index.replace("{day}", "2026.03.10")
        if not any(fnmatchcase(name, pattern) for pattern in self.es_index.split(",")):
            raise ValueError(f"HALO_OPS_SHIP_INDEX: {name} is not covered by HALO_OPS_ES_INDEX, {self.es_index}")
        return self

    @model_validator(mode="after")
    def _one_way_to_sign_in(self) -> Self:
        secrets = {
            "ES_API_KEY": self.es_api_key,
            "ES_BEARER_TOKEN": self.es_bearer_token,
            "ES_PASSWORD": self.es_password,
        }
        given = [name for name, secret in secrets.items() if secret.get_secret_value()]
        if given == ["ES_PASSWORD"] and not self.es_username:
            raise ValueError("ES_PASSWORD: needs ES_USERNAME")
        if self.es_username and "ES_PASSWORD" not in given:
            given.append("ES_USERNAME")
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: only one way to sign in to Elasticsearch can be used")
        return self


def _lines(headers: SecretStr) -> list[str]:
    return [line for line in re.split(r"[,\n]", headers.get_secret_value()) if line.strip()]
