"""The service's logger: flat JSON lines into two rotating files, and readable ones on the console."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import orjson
import structlog

from lib.telemetry.redact import redact, redact_text

LEVELS = {"silly": 10, "debug": 10, "verbose": 10, "http": 20, "info": 20, "warn": 30, "warning": 30, "error": 40}
"""Level names that `configure` takes: Winston's and Python's."""

_OWN = ("level", "message", "service", "version")


class Logger:
    """Writes records. A field is a top-level key of the record; credentials in it are redacted at any depth.

    Never raises for what it is given; a full disk is told on stderr and the service goes on.
    """

    def __init__(self, service: str, version: str, level: int, handlers: tuple[logging.Handler, ...]) -> None:
        self.service = service
        self.version = version
        self._handlers = handlers
        self._log = structlog.wrap_logger(
            _Sink(handlers),
            processors=[_flatten, structlog.contextvars.merge_contextvars, self._shape],
            wrapper_class=structlog.make_filtering_bound_logger(level),
        )

    def debug(self, message: str, /, **fields: Any) -> None:
        """Detail for a developer."""
        self._log.debug(message, fields=fields)

    def info(self, message: str, /, **fields: Any) -> None:
        """What happened as it should."""
        self._log.info(message, fields=fields)

    def warn(self, message: str, /, **fields: Any) -> None:
        """What somebody should look at, though the work was done."""
        self._log.warning(message, fields=fields)

    def error(self, message: str, /, **fields: Any) -> None:
        """Work that was not done. Goes to error.log as well."""
        self._log.error(message, fields=fields)

    def line(self, at: datetime, level: str, message: str, fields: Mapping[str, Any]) -> bytes:
        """The line, with its newline, that this logger would write for a record at this (aware) time. Writes nothing."""
        return _encode(self._record(_stamp(at), level, message, fields)) + b"\n"

    def close(self) -> None:
        """Close the files. Nothing may be logged after."""
        for handler in self._handlers:
            handler.close()

    def _shape(self, _log: Any, method: str, event: MutableMapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        message = event.pop("\0message")
        level = "WARN" if method in {"warning", "warn"} else method.upper()
        return (self._record(_stamp(datetime.now(UTC)), level, message, event),), {}

    def _record(self, stamp: str, level: str, message: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        head = {"timestamp": stamp, "level": level.upper(), "message": redact_text(message)}
        head |= {"service": self.service, "version": self.version}
        plain: dict[str, Any] = redact(fields)
        for name in _OWN:
            plain.pop(name, None)
        return {**head, **plain}


class _Sink:
    """Where structlog hands a finished record: every handler whose level it reaches."""

    def __init__(self, handlers: tuple[logging.Handler, ...]) -> None:
        self._handlers = handlers

    def _write(self, level: int, record: dict[str, Any]) -> None:
        entry = logging.makeLogRecord({"msg": record, "levelno": level})
        for handler in self._handlers:
            if level >= handler.level:
                handler.handle(entry)

    def debug(self, record: dict[str, Any]) -> None:
        self._write(logging.DEBUG, record)

    def info(self, record: dict[str, Any]) -> None:
        self._write(logging.INFO, record)

    def warning(self, record: dict[str, Any]) -> None:
        self._write(logging.WARNING, record)

    def error(self, record: dict[str, Any]) -> None:
        self._write(logging.ERROR, record)


class _JsonLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        if not isinstance(record.msg, str):
            record.msg = _encode(record.msg).decode()
        return record.msg


class _ConsoleLine(logging.Formatter):
    def __init__(self, *, colors: bool) -> None:
        super().__init__()
        self._render = structlog.dev.ConsoleRenderer(
            colors=colors, event_key="message", sort_keys=False, pad_event_to=0
        )

    def format(self, record: logging.LogRecord) -> str:
        given: Any = record.msg  # the record itself: this handler stands before those of the files
        shown = dict(given)
        shown["level"] = shown["level"].lower()
        stack = shown.pop("stack", None)
        text = str(self._render(None, "", shown))
        return f"{text}\n{stack}" if stack else text


def configure(
    *,
    service: str,
    version: str,
    directory: Path | None,
    level: str = "info",
    console: bool = True,
    max_bytes: int = 5_242_880,
    files: int = 5,
) -> Logger:
    """A logger of its own (nothing is global): give each process, or each instance in one, its own directory.

    Writes `combined.log` and, errors only, `error.log`, each of at most `max_bytes` and, with its rotated ones, `files`
    files: combined.log is renamed combined1.log, that combined2.log, …; the oldest is deleted. `directory` None: no
    files. Raises ValueError for an unknown level or fewer than 2 files, OSError where the directory cannot be written.
    """
    if level.lower() not in LEVELS:
        raise ValueError(f"log level {level!r} is none of {', '.join(LEVELS)}")
    if files < 2:
        raise ValueError(f"files is {files}: rotation needs at least 2, the one being written and the one before")
    handlers: list[logging.Handler] = []
    if console:
        handlers.append(_console())
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        handlers.append(_rotating(directory / "combined.log", logging.DEBUG, max_bytes, files))
        handlers.append(_rotating(directory / "error.log", logging.ERROR, max_bytes, files))
    return Logger(service, version, LEVELS[level.lower()], tuple(handlers))


def _console() -> logging.Handler:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_ConsoleLine(colors=sys.stdout.isatty()))
    return handler


def _rotating(path: Path, level: int, max_bytes: int, files: int) -> logging.Handler:
    handler = RotatingFileHandler(path, maxBytes=max_bytes, backupCount=files - 1, encoding="utf-8")
    # "combined.log.1" → "combined1.log", the names Winston gives, so that one glob (combined*.log) finds all of them.
    handler.namer = lambda name: str(path.with_name(f"{path.stem}{name.rpartition('.')[2]}{path.suffix}"))
    handler.setLevel(level)
    handler.setFormatter(_JsonLine())
    return handler


def _flatten(_log: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog calls the message "event", which is a field's name here: keep the message under a name no field has."""
    return {**event["fields"], "\0message": event["event"]}


def _stamp(at: datetime) -> str:
    moment = at if at.tzinfo is UTC else at.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def _encode(record: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(record)
    except orjson.JSONEncodeError:
        return orjson.dumps(_tame(record))


def _tame(value: Any) -> Any:
    """The value less what strict JSON readers refuse: lone surrogates become "?", integers beyond 64 bits text."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_tame(name): _tame(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_tame(item) for item in value]
    if isinstance(value, int) and value.bit_length() > 63:
        return str(value) if value.bit_length() < 10_000 else f"[integer of {value.bit_length()} bits]"
    return value
