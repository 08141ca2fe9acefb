"""Answers of /health out of a file of JSON lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson

from lib.collect.left_out import LeftOut
from lib.collect.parse import FUTURE
from lib.state.answer import without_credentials
from lib.state.fold import time_of

Observation = Mapping[str, Any]


def observations_of(
    portions: Iterator[tuple[bytes, int]], now: datetime, left_out: LeftOut
) -> Iterator[tuple[list[Observation], int]]:
    """The observations of portions of whole lines, each with how far in the file that is."""
    before = 0
    for text, at in portions:
        found, lines = list[Observation](), text.split(b"\n")
        for number, line in enumerate(lines, start=before + 1):
            if not line.strip():
                continue
            told = _object(line)
            if wrong := _unusable(told, now):
                left_out.note(f"lines {wrong}", first=f"line {number}")
            elif told is not None:
                found.append(without_credentials(told))
        before += len(lines) - 1
        yield found, at


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return told if isinstance(told, dict) else None


def _unusable(told: Observation | None, now: datetime) -> str:
    if told is None:
        return "that are not JSON objects"
    at = time_of(told.get("ts"))
    if at is None or not told.get("target"):
        return 'without a "target" or a "ts" with its zone, such as 2026-11-24T10:00:00Z'
    return 'with a "ts" ahead of now' if at > now + FUTURE else ""
