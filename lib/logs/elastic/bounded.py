"""How an answer of the cluster is read: no further than its bounds, whatever it unfolds to and however slowly it comes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import urllib3
from elastic_transport import NodeConfig, Urllib3HttpNode

MOST_BYTES = 100 << 20
_PORTION = 1 << 16
TOO_LONG = "the answer is longer than"


@dataclass(frozen=True, slots=True)
class _Read:
    """What the node wants of an answer."""

    status: int
    headers: Any
    data: bytes


class _Pool:
    """The node's pool; each answer is unpacked piece by piece."""

    def __init__(self, pool: urllib3.HTTPConnectionPool, timeout_s: float | None) -> None:
        self._pool, self._timeout_s = pool, timeout_s

    def urlopen(self, method: str, target: str, **options: Any) -> _Read:
        """Raises urllib3's errors, of time-outs for one that drips."""
        timeout_s = options.get("timeout", self._timeout_s)
        response = self._pool.urlopen(method, target, preload_content=False, **options)
        deadline = time.monotonic() + timeout_s if timeout_s else None
        try:
            data = self._whole(response, target, deadline)
        except BaseException:
            response.close()  # what is unread must not be taken for the next answer
            raise
        response.release_conn()
        return _Read(response.status, response.headers, data)

    def _whole(self, response: Any, target: str, deadline: float | None) -> bytes:
        kept = bytearray()
        while part := response.read1(_PORTION, decode_content=True):  # what there is: others wait for a whole portion
            kept += part
            if len(kept) > MOST_BYTES:
                raise urllib3.exceptions.HTTPError(f"{TOO_LONG} {MOST_BYTES >> 20} MiB")
            if deadline is not None and time.monotonic() > deadline:
                raise urllib3.exceptions.ReadTimeoutError(self._pool, target, "no whole answer in time")
        return bytes(kept)

    def close(self) -> None:
        """Closes its sockets."""
        self._pool.close()


class BoundedNode(Urllib3HttpNode):
    """The client's own node over that pool."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self.pool: Any = _Pool(self.pool, config.request_timeout)
