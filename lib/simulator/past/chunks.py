"""Cuts the past into folders, the newest first, and writes each."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.simulator import catalogue as c
from lib.simulator.past import events, health, logs, metrics
from lib.simulator.past.story import DAY, HOUR, Span, Story
from lib.telemetry import logger

NEWEST_HOURS = 6.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """One folder of the past: its span and the spacing of its metric samples."""

    name: str
    span: Span
    spacing_s: float


@dataclass(frozen=True, slots=True)
class Past:
    """What to write and where: the `days` before `until` (s), as left by these instances (host:port)."""

    folder: Path
    until: float
    days: float
    instances: tuple[str, ...]
    seed: int
    pace: float = 1.0

    def chunks(self) -> list[Chunk]:
        """The newest hours, then day by day back to the start."""
        until = self.until // 60 * 60
        edge = until - min(NEWEST_HOURS * HOUR, self.days * DAY)
        found = [Chunk("00-newest", Span(edge, self.until), 30.0)]
        start = until - self.days * DAY
        while edge > start:
            before = max(edge - DAY, start)
            found.append(Chunk(f"{len(found):02d}-older", Span(before, edge), 60.0))
            edge = before
        return found

    def write(self, which: str = "all") -> Iterator[Path]:
        """Writes the chunks one by one ("all", "newest" or "older") and yields the folder of each when it is whole."""
        story = Story.before(self.until // 60 * 60, self.days, len(self.instances))
        drawn = events.draw(story, self.seed, self.pace)
        for chunk in self.chunks():
            if which == "all" or chunk.name.endswith(which):
                yield self._write(chunk, drawn)

    def _write(self, chunk: Chunk, drawn: events.Events) -> Path:
        final = self.folder / "past" / chunk.name
        part = final.with_name(f".{chunk.name}.{os.getpid()}")
        part.mkdir(parents=True)
        loggers = {
            version: logger.configure(service=c.SERVICE, version=version, directory=None, console=False)
            for version in c.VERSIONS
        }
        _write_lines(part, logs.lines(drawn, chunk.span, loggers, self.seed), packed=chunk.name.endswith("older"))
        grid = np.arange(chunk.span.start, chunk.span.end, chunk.spacing_s)
        text = metrics.write(drawn, grid, self.instances, self.seed).text()
        (part / "metrics.prom").write_text(text, encoding="utf-8")
        answers = health.answers(drawn.story, chunk.span, self.instances, self.seed)
        (part / "health.jsonl").write_bytes(b"\n".join(answers) + b"\n")
        part.rename(final)
        return final


def _write_lines(folder: Path, lines: list[bytes], *, packed: bool) -> None:
    text = b"".join(lines)
    if packed:
        (folder / "combined.log.gz").write_bytes(gzip.compress(text, compresslevel=1, mtime=0))
    else:
        (folder / "combined.log").write_bytes(text)
