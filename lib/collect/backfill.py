"""`python -m lib.collect.backfill PATH|GLOB …`: brings history in, beside a running dashboard or without one."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import stamina.instrumentation
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from lib import settings as configuration
from lib.collect.import_progress import ImportProgress
from lib.collect.importer import Importer, Readable, Tally
from lib.collect.prometheus_range import Access, PrometheusRange, length_of, moment_of
from lib.collect.sources import find
from lib.errors import OpsError
from lib.settings import Settings

_NICE = 5


@contextmanager
def _bar() -> Iterator[Callable[[ImportProgress], None]]:
    """A progress bar on a terminal; nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("import", total=None)

        def show(progress: ImportProgress) -> None:
            told = progress.current or "waiting for the stores"
            bar.update(task, total=progress.total_bytes, completed=progress.done_bytes, description=told)

        yield show


def summary(importer: Importer) -> str:
    """What was read and what became of it, as lines for a person."""
    read, taken = importer.tally, importer.taken
    span = (
        f", from {read.oldest:%Y-%m-%d %H:%M} to {read.newest:%Y-%m-%d %H:%M} UTC"
        if read.oldest and read.newest
        else ""
    )
    raw = [
        f"{file}: lines that are no JSON records: {count} kept as level UNPARSED"
        for file, count in read.kept_raw.items()
    ]
    return "\n".join(
        [
            f"Read: {read.records} records, {read.samples} samples, {read.observations} health answers{span}",
            f"Not readable: {read.kept_raw.total() + read.left_out}",
            f"New in the stores: {taken.records} records, {taken.samples} samples; there already: {taken.duplicates}",
            *raw,
            *read.problems,
        ]
    )


def soon_dropped(settings: Settings, tally: Tally, now: datetime) -> str:
    """What to say where some of it is older than what the stores keep; "" where nothing is."""
    kept = {
        "log records": ("HALO_OPS_RETENTION_LOGS_DAYS", settings.retention_logs_days, tally.records),
        "metric samples": ("HALO_OPS_RETENTION_METRICS_DAYS", settings.retention_metrics_days, tally.samples),
    }
    short = [
        f"{what} older than {days} days ({name})"
        for what, (name, days, read) in kept.items()
        if read and tally.oldest is not None and tally.oldest < now - timedelta(days=days)
    ]
    if not short:
        return ""
    return f"Dropped again within the hour: {' and '.join(short)}. Raise the setting and restart the dashboard before that to keep them."


def _wanted(given: argparse.Namespace, settings: Settings) -> list[PrometheusRange]:
    """The range of a Prometheus that is asked for, if any. Raises OpsError."""
    if not given.prometheus:
        return []
    now = datetime.now(UTC)
    access = Access(
        given.prometheus, settings.prometheus_username, settings.prometheus_password.get_secret_value(),
        settings.prometheus_bearer_token.get_secret_value(), settings.prometheus_ca, settings.prometheus_header_fields,
    )  # fmt: skip
    return [
        PrometheusRange(
            access,
            start=moment_of(given.since, "--since", now),
            end=moment_of(given.until, "--until", now) if given.until else now,
            match=tuple(given.match or [f'{{job="{settings.job}"}}']),
            step_s=int(length_of(given.step, "--step").total_seconds()) if given.step else 0,
        )
    ]


def _plain(error: OpsError | OSError) -> str:
    if isinstance(error, OpsError):
        return str(error)
    where = f"{error.filename}: " if error.filename else ""
    again = "Make room; the same command again goes on" if error.errno == errno.ENOSPC else "Nothing more was read"
    return f"{where}{error.strerror or error}. {again}."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lib.collect.backfill", description=__doc__)
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help="log files (plain, .gz), .prom[.gz], health.jsonl; globs")
    add("--prometheus", metavar="URL", help="read samples from this server; credentials: PROMETHEUS_USERNAME, …_PASSWORD, "
        "…_BEARER_TOKEN in the environment, .env or *_FILE")  # fmt: skip
    add("--since", default="7d", help="from when on: an age (36h, 7d) or a time (2026-11-24T10:00Z); default 7d")
    add("--until", default="", help="up to when, in the same form (default now)")
    add(
        "--match",
        action="append",
        metavar="SELECTOR",
        help="which series (default: the job of HALO_OPS_JOB); repeatable",
    )
    add("--step", default="", help="keep one sample per step, such as 60s (default: all, as they were stored)")
    return parser


def main(arguments: list[str]) -> int:
    """0: all is in; 1: some was left out, as printed; 2: nothing to do or wrong settings; 130: it was stopped."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if not given.paths and not given.prometheus:
        parser.error("name files to import, or a server by --prometheus URL")
    os.nice(_NICE)
    stamina.instrumentation.set_on_retry_hooks([])  # the one who asks again says so
    try:
        files, problems = find(given.paths)
        settings = configuration.load()
        sources: list[Readable] = [*files, *_wanted(given, settings)]
        importer = Importer(settings)
        importer.tally.problems += problems
        with _bar() as report:
            importer._report = report
            importer.run(sources)
    except (OpsError, OSError) as error:
        print(_plain(error), file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("Stopped. The same command again goes on; nothing is added twice.", file=sys.stderr)  # noqa: T201
        return 130
    print(summary(importer))  # noqa: T201
    if told := soon_dropped(settings, importer.tally, datetime.now(UTC)):
        print(told)  # noqa: T201
    return 2 if not sources else 1 if importer.tally.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
