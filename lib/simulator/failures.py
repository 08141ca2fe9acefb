"""The exceptions of the integration, worded by the catalogue so that past and live errors fall into the same patterns."""

from __future__ import annotations

from typing import Any

from lib.simulator import catalogue as c


class OperationError(Exception):
    """Work that could not be done. `status` is what a request that needed it is answered."""

    status = 500

    def __init__(self, name: str, **words: Any) -> None:
        self.mishap = c.MISHAPS[name]
        self.operation = self.mishap.operation.format_map(words) if "{" in self.mishap.operation else ""
        self.operation = self.operation or self.mishap.operation
        super().__init__(self.mishap.text.format(**words))


class UpstreamError(OperationError):
    """An upstream did not do what it was asked."""

    status = 502


class UpstreamTimeoutError(UpstreamError):
    """An upstream did not answer in time."""

    status = 504
