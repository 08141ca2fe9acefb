"""Cuts a stream of bytes into lines, keeping at most 64 KiB of any."""

from __future__ import annotations

from dataclasses import dataclass

from lib.collect.parse import MAX_LINE, Line


@dataclass(slots=True)
class Cutter:
    """`start` is the byte offset of the line under way; up to MAX_LINE + 1 of its `held_bytes` are in `held`."""

    origin: str
    name: str
    start: int = 0
    held: bytes = b""
    held_bytes: int = 0

    def cut(self, data: bytes) -> list[Line]:
        """The lines that end in `data`, which comes right behind what was cut before."""
        if not self.held_bytes:  # NULs where a line begins: the hole of a writer that did not notice a truncation
            size = len(data)
            data = data.lstrip(b"\0")
            self.start += size - len(data)
        first = data.find(b"\n")
        if first < 0:
            self._hold(data)
            return []
        lines = [self._line(self.held + data[: min(first, MAX_LINE + 1)], self.held_bytes + first, self.start)]
        self._next(self.held_bytes + first + 1)
        *whole, rest = data[first + 1 :].split(b"\n")
        origin, start, name = self.origin, self.start, self.name
        for raw in whole:
            size = len(raw)
            lines.append(Line(origin, start, name, raw) if size <= MAX_LINE else self._line(raw, size, start))
            start += size + 1
        self.start = start
        self._hold(rest)
        return lines

    def skip(self, data: bytes) -> None:
        """Goes on as `cut` does, without the lines."""
        if not self.held_bytes:
            size = len(data)
            data = data.lstrip(b"\0")
            self.start += size - len(data)
        behind = data.rfind(b"\n") + 1
        if behind:
            self._next(self.held_bytes + behind)
        self._hold(data[behind:] if behind else data)

    def last_line(self) -> list[Line]:
        """The half line at the end of what nobody will write to any more, as a line; none where there is none."""
        if not self.held_bytes:
            return []
        line = self._line(self.held, self.held_bytes, self.start)
        self._next(self.held_bytes)
        return [line]

    def _next(self, behind: int) -> None:
        self.start += behind
        self.held, self.held_bytes = b"", 0

    def _hold(self, data: bytes) -> None:
        self.held += data[: max(0, MAX_LINE + 1 - len(self.held))]
        self.held_bytes += len(data)

    def _line(self, raw: bytes, length: int, start: int) -> Line:
        return Line(self.origin, start, self.name, raw[: min(length, MAX_LINE)], length > MAX_LINE)
