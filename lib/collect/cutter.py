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
        lines = [self._line(self.held + data[: min(first, MAX_LINE + 1)], self.held_bytes + first)]
        self._next(self.held_bytes + first + 1)
        *whole, rest = data[first + 1 :].split(b"\n")
        for raw in whole:
            lines.append(self._line(raw, len(raw)))
            self.start += len(raw) + 1
        self._hold(rest)
        return lines

    def last_line(self) -> list[Line]:
        """The half line at the end of what nobody will write to any more, as a line; none where there is none."""
        if not self.held_bytes:
            return []
        line = self._line(self.held, self.held_bytes)
        self._next(self.held_bytes)
        return [line]

    def _next(self, behind: int) -> None:
        self.start += behind
        self.held, self.held_bytes = b"", 0

    def _hold(self, data: bytes) -> None:
        self.held += data[: max(0, MAX_LINE + 1 - len(self.held))]
        self.held_bytes += len(data)

    def _line(self, raw: bytes, length: int) -> Line:
        return Line(self.origin, self.start, self.name, raw[: min(length, MAX_LINE)], length > MAX_LINE)
