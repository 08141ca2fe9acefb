"""The settings of what is watched besides the service itself: backups, heartbeats, disks, and what is still normal."""

from __future__ import annotations

from typing import Annotated

import promql_parser
from pydantic import SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode

from lib.heartbeats.expected import Expected, expected
from lib.setting_sources import setting

SHORTEST_TOKEN = 24
_Names = Annotated[tuple[str, ...], NoDecode]


class Watched(BaseSettings):
    """Backups are known by three ways; each that is set up is judged by itself."""

    backup_metric: str = setting(
        "max(backup_last_success_timestamp_seconds)",
        "PromQL expression of the last good backup: a Unix time, or an age in seconds. Empty: none is asked for.",
    )
    backup_files: _Names = setting(
        (),
        "Backup files, whose newest change counts as the last good backup: comma-separated globs, absolute.",
    )
    heartbeat_token: SecretStr = setting(
        SecretStr(""),
        "Bearer token for POST /api/heartbeat/NAME, 24 characters or more. Empty: nobody can send heartbeats.",
    )
    heartbeats: _Names = setting(
        (),
        "Heartbeats to expect: comma-separated NAME=PERIOD/GRACE, such as backup=24h/2h. One whose name begins with backup "
        "counts as a backup.",
    )
    service_memory_mib: float = setting(
        0, "Memory that one instance of the service may use. 0: unknown, so its use is shown but not judged.",
        unit="MiB", ge=0,
    )  # fmt: skip

    @property
    def expected_heartbeats(self) -> tuple[Expected, ...]:
        """`heartbeats`, read."""
        return expected(self.heartbeats)

    @field_validator("backup_metric")
    @classmethod
    def _promql(cls, text: str) -> str:
        if text:
            try:
                promql_parser.parse(text)
            except ValueError as error:
                raise ValueError(f"is not PromQL: {error}") from None
        return text

    @field_validator("backup_files")
    @classmethod
    def _absolute_files(cls, globs: tuple[str, ...]) -> tuple[str, ...]:
        if any(not glob.startswith("/") for glob in globs):
            raise ValueError("each glob must be absolute, such as /var/backups/crm/*.dump")
        return globs

    @field_validator("heartbeats")
    @classmethod
    def _heartbeats(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        expected(texts)
        return texts

    @model_validator(mode="after")
    def _with_a_token(self) -> Watched:
        token = self.heartbeat_token.get_secret_value()
        if token and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token):
            raise ValueError(
                f"HALO_OPS_HEARTBEAT_TOKEN: must be {SHORTEST_TOKEN} or more letters, digits and signs, without spaces"
            )
        if self.heartbeats and not token:
            raise ValueError("HALO_OPS_HEARTBEATS: needs HALO_OPS_HEARTBEAT_TOKEN, or nobody can send them")
        return self
