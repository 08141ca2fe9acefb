"""Debian's Prometheus with samples of our choice in its storage, asked over HTTP."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from lib.metrics.base import Labels, Result
from lib.metrics.ingest import Samples
from lib.metrics.promql.text import quote
from lib.metrics.promql.values import Signature, key_of
from lib.window import Window

START_S = 60
Points = dict[Signature, dict[int, float]]
"""Per series, the value at each evaluation time (Unix ms) that has a sample."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: points per series, or the server's refusal."""

    points: Points
    error: str = ""


class Prometheus:
    """A running server."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def instant(self, expression: str, at: datetime) -> Answer:
        """`/api/v1/query`."""
        return self._answer("query", {"query": expression, "time": f"{at.timestamp():.3f}"})

    def range(self, expression: str, window: Window, step: timedelta) -> Answer:
        """`/api/v1/query_range`, both ends included."""
        return self._answer("query_range", range_question(expression, window, step))

    def raw(self, path: str, question: Mapping[str, str]) -> bytes:
        """The body of an answer as it came, for measuring."""
        answer = self._client.get(f"/api/v1/{path}", params=question)
        answer.raise_for_status()
        return answer.content

    def _answer(self, path: str, question: Mapping[str, str]) -> Answer:
        found = self._client.post(f"/api/v1/{path}", data=dict(question)).json()
        if found["status"] != "success":
            return Answer({}, str(found["error"]))
        return Answer(_points(found["data"]))


def range_question(expression: str, window: Window, step: timedelta) -> dict[str, str]:
    """The parameters of a range question."""
    ends = {"start": f"{window.start.timestamp():.3f}", "end": f"{window.end.timestamp():.3f}"}
    return {"query": expression, **ends, "step": f"{step.total_seconds():.3f}"}


def _points(data: Mapping[str, Any]) -> Points:
    if data["resultType"] == "scalar":
        return {(): dict([_point(data["result"])])}
    return {
        key_of(series["metric"]): dict(map(_point, series.get("values") or [series["value"]]))
        for series in data["result"]
    }


def _point(pair: tuple[float, str]) -> tuple[int, float]:
    return round(pair[0] * 1000), float(pair[1])


def points_of(result: Result) -> Points:
    """Our own answer in the same form."""
    return {
        key_of(dict(labels)): dict(zip(result.ts_ms[held].tolist(), values[held].tolist(), strict=True))
        for labels, values, held in zip(result.labels, result.values, result.present, strict=True)
    }


def openmetrics(samples: Samples) -> Iterator[str]:
    """The samples in the format that promtool makes blocks from; it knows no stale marker."""
    order = np.argsort(samples.series, kind="stable")
    bounds = np.searchsorted(samples.series[order], np.arange(len(samples.labels) + 1))
    for number, labels in enumerate(samples.labels):
        rows, name = order[bounds[number] : bounds[number + 1]], _series(labels)
        for ts_ms, value in zip(samples.ts_ms[rows].tolist(), samples.values[rows].tolist(), strict=True):
            yield f"{name} {_number(value)} {ts_ms / 1000:.3f}\n"
    yield "# EOF\n"


def _series(labels: Labels) -> str:
    inner = ",".join(f"{name}={quote(value)}" for name, value in labels.items() if name != "__name__")
    return f"{labels['__name__']}{{{inner}}}"


def _number(value: float) -> str:
    return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}.get(repr(value), repr(value))


def _tool(name: str) -> str:
    found = shutil.which(name, path="/usr/bin:/usr/local/bin") or shutil.which(name)
    assert found, f"{name} is missing: install it with `apt-get install prometheus`"
    return found


@contextlib.contextmanager
def serving(folder: Path, samples: Samples) -> Iterator[Prometheus]:
    """A server on a free port whose storage holds `samples`; it ends with the block."""
    text, data, config = folder / "samples.txt", folder / "data", folder / "prometheus.yml"
    with text.open("w", encoding="utf-8") as file:
        file.writelines(openmetrics(samples))
    made = subprocess.run(
        [_tool("promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(text), str(data)],
        check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    text.unlink()
    config.write_text("scrape_configs: []\n", encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {
        "config.file": config, "storage.tsdb.path": data, "web.listen-address": f"127.0.0.1:{port}",
        "storage.tsdb.retention.time": "100y", "log.level": "error",
    }  # fmt: skip
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [_tool("prometheus"), *(f"--{name}={value}" for name, value in options.items())], stdout=log, stderr=log
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            _await(client, process, folder / "server.log")
            yield Prometheus(client)
    finally:
        process.terminate()
        process.wait(30)


def _await(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        with contextlib.suppress(httpx.TransportError):
            if client.get("/-/ready").status_code == httpx.codes.OK:
                return
        assert process.poll() is None and time.monotonic() < deadline, log.read_text(encoding="utf-8")
        time.sleep(0.05)
