"""A real Prometheus on a port of its own, filled through its remote-write receiver, which takes stale markers as they are."""

from __future__ import annotations

import struct
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from lib.metrics.ingest import Samples
from tests.proxy import free_ports

CHUNK_MS = 30 * 60_000
"""Series come one after another in a request: they may not be further apart than half a head block."""

_LITERAL = 65_536


class PrometheusServer:
    """One running server; `url` is its address with the path prefix, `process` what a test may end."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url, self.process = url, process

    def write(self, samples: Samples) -> None:
        """Takes in every sample, bit by bit as it is, oldest first."""
        chunks = samples.ts_ms // CHUNK_MS
        for chunk in np.unique(chunks):
            body = _packed(_write_request(samples, np.nonzero(chunks == chunk)[0]))
            headers = {"content-encoding": "snappy", "x-prometheus-remote-write-version": "0.1.0"}
            answer = httpx.post(f"{self.url}/api/v1/write", content=body, headers=headers, trust_env=False)
            assert answer.status_code in (200, 204), answer.text


@contextmanager
def prometheus(
    folder: Path, config: str = "{}", *options: str, prefix: str = "", port: int = 0, scheme: str = "http"
) -> Iterator[PrometheusServer]:
    """A server over the store in `folder` (empty at first) until the block ends; `scheme` https: by an option's file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(config, encoding="utf-8")
    [free] = free_ports(1)
    port = port or free
    url = f"{scheme}://127.0.0.1:{port}{prefix}"
    command = [
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}", f"--web.external-url={url}", "--web.enable-remote-write-receiver",
        "--storage.tsdb.retention.time=100y", "--log.level=error", *options,
    ]  # fmt: skip
    process = subprocess.Popen(command)
    try:
        _wait_until_ready(url, process)
        yield PrometheusServer(url, process)
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, "prometheus ended; its reason stands above"
        assert time.monotonic() < deadline, "prometheus does not answer"
        try:
            if httpx.get(f"{url}/-/ready", trust_env=False, verify=False).status_code in (200, 401):
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)


def _write_request(samples: Samples, rows: np.ndarray) -> bytes:
    """Prometheus' WriteRequest: field 1 time series, of labels (1) and samples (2)."""
    ordered = rows[np.lexsort((samples.ts_ms[rows], samples.series[rows]))]
    parts = []
    for series in np.unique(samples.series[ordered]):
        points = b"".join(
            _field(2, b"\x09" + struct.pack("<d", samples.values[row]) + b"\x10" + _varint(int(samples.ts_ms[row])))
            for row in ordered[samples.series[ordered] == series]
        )
        parts.append(_field(1, _labels(samples.labels[series]) + points))
    return b"".join(parts)


def _labels(labels: Mapping[str, str]) -> bytes:
    pairs = [(name.encode(), value.encode()) for name, value in sorted(labels.items()) if value]
    return b"".join(_field(1, _field(1, name) + _field(2, value)) for name, value in pairs)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _packed(raw: bytes) -> bytes:
    """Snappy's block format with nothing but literals."""
    blocks = [raw[start : start + _LITERAL] for start in range(0, len(raw), _LITERAL)]
    literals = [bytes([61 << 2]) + struct.pack("<H", len(block) - 1) + block for block in blocks]
    return _varint(len(raw)) + b"".join(literals)
