"""What people give an import by mistake is named with its reason, and never brings nonsense into the stores."""

from __future__ import annotations

import bz2
import fcntl
import gzip
import io
import lzma
import os
import random
import signal
import tarfile
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson
import psutil
import pytest

from lib import settings as configuration
from lib import wiring
from lib.collect import spool, taking_in
from lib.collect.backfill import main, summary
from lib.collect.giving_way import after_an_import
from lib.collect.importer import Importer
from lib.collect.sources import find
from lib.errors import SettingsError, SourceUnavailable
from lib.settings import Settings

from .importing import ROOT, bring_in, many, started, stored
from .log_files import line_of


@pytest.fixture
def settings(tmp_path: Path, monkeypatch) -> Settings:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(os, "nice", lambda _: 0)  # for the whole process, and for good
    monkeypatch.setenv("HALO_OPS_DATA_DIR", str(tmp_path / "data"))
    return configuration.load()


def refuse(*_: object) -> None:
    raise PermissionError(13, "Permission denied")


def samples(settings: Settings) -> list[tuple[str, int]]:
    stores = wiring.open_stores(settings)
    sql = "SELECT json_extract_string(labels, '$.__name__'), ts_ms FROM samples JOIN series ON id = series_id ORDER BY ALL"
    found = stores.metrics._database.rows(sql)  # type: ignore[attr-defined]
    stores.close()
    return [tuple(row) for row in found]  # type: ignore[misc]


# Paths


def test_a_folder_is_named_with_what_to_give_instead(settings, tmp_path, capsys):
    """Regression: it was passed over without a word."""
    assert main([str(tmp_path)]) == 2

    assert (
        f"{tmp_path}: is a folder; name the files in it, such as '{tmp_path}/combined*.log*'" in capsys.readouterr().out
    )


def test_a_glob_without_a_match_is_told_from_a_missing_file(tmp_path):
    _, problems = find([f"{tmp_path}/*.log", f"{tmp_path}/x.log"])

    assert problems == [f"{tmp_path}/*.log: no file has such a name", f"{tmp_path}/x.log: there is no such file"]


def test_a_pipe_is_named_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.log")

    assert find([f"{tmp_path}/*"]) == ([], [f"{tmp_path}/pipe.log: is neither a file nor a folder"])


def test_a_folder_that_may_not_be_entered_is_named(tmp_path, monkeypatch):
    """Regression: a traceback. Root may enter everything, so the refusal is the system's in words only."""
    monkeypatch.setattr(Path, "stat", refuse)

    assert find(["/var/log/other/x.log"]) == ([], ["/var/log/other/x.log: Permission denied"])


def test_nothing_given_says_what_to_give(settings, capsys):
    with pytest.raises(SystemExit) as ended:
        main([])

    assert ended.value.code == 2
    assert "name files to import, or a server by --prometheus URL" in capsys.readouterr().err


def test_an_error_log_beside_the_combined_one_would_count_twice_and_is_left_out(tmp_path):
    for folder, names in {"both": ("combined.log", "error.log", "error1.log"), "one": ("error.log",)}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_bytes(line_of("x"))

    sources, problems = find([f"{tmp_path}/*/*.log"])

    assert [str(source.path.relative_to(tmp_path)) for source in sources] == ["both/combined.log", "one/error.log"]
    assert [problem.partition(": left out: combined.log beside it")[0] for problem in problems] == [
        f"{tmp_path}/both/error.log", f"{tmp_path}/both/error1.log",
    ]  # fmt: skip


# Content


def zipped(text: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        file.writestr("combined.log", text)
    return held.getvalue()


def tarred(text: bytes) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as file:
        about = tarfile.TarInfo("combined.log")
        about.size = len(text)
        file.addfile(about, io.BytesIO(text))
    return held.getvalue()


@pytest.mark.parametrize(
    ("name", "packed", "reason"),
    [
        ("combined.log.xz", lzma.compress, "is packed with xz"),
        ("combined.log.bz2", bz2.compress, "is packed with bzip2"),
        ("combined.log.zst", lambda text: b"(\xb5/\xfd" + text, "is packed with zstd"),
        ("combined.zip", zipped, "is packed with zip"),
        ("logs.tar", tarred, "is a tar archive"),
        ("logs.tar.gz", lambda text: gzip.compress(tarred(text)), "is a tar archive"),
        ("combined.log", lambda _: random.Random(1).randbytes(5000), "is no text"),
    ],
)
def test_what_is_no_log_text_is_left_out_with_the_reason(
    settings, tmp_path, name, packed: Callable[[bytes], bytes], reason
):
    """Regression: an archive came in as hundreds of unreadable records."""
    path = tmp_path / name
    path.write_bytes(packed(b"".join(line_of(f"line {n}") for n in range(200))))

    importer = bring_in(settings, path)

    assert importer.tally.problems[0].startswith(f"{path}: {reason}")
    assert stored(settings) == importer.tally.records == 0


def test_a_log_that_was_emptied_under_its_writer_begins_with_nothing_and_comes_in(settings, tmp_path):
    path = tmp_path / "combined.log"
    path.write_bytes(b"\0" * 50_000 + b"".join(line_of(f"line {n}") for n in range(20)))

    bring_in(settings, path)

    assert stored(settings) == 20


@pytest.mark.parametrize("name", ["combined.log-20241101", "combined.log.gz"])
def test_what_is_packed_is_known_by_its_content_not_by_its_name(settings, tmp_path, name):
    text = many(tmp_path / "x", 20).read_bytes()
    path = tmp_path / name
    path.write_bytes(text if name.endswith(".gz") else gzip.compress(text))

    importer = bring_in(settings, path)

    assert (stored(settings), importer.tally.problems) == (20, [])


def test_an_empty_file_is_no_fault(settings, tmp_path, capsys):
    (tmp_path / "combined.log").touch()
    (tmp_path / "combined.log.gz").touch()

    assert main([f"{tmp_path}/combined*"]) == 0
    assert "Read: 0 records" in capsys.readouterr().out


def test_lines_that_are_no_records_are_counted_for_each_file(settings, tmp_path):
    path = tmp_path / "combined.log"
    path.write_bytes(line_of("x") + b"plain text\nmore\n")

    importer = bring_in(settings, path)

    assert "combined.log: lines that are no JSON records: 2 kept as level UNPARSED" in summary(importer)


# Metrics and health


def test_a_metrics_file_is_known_by_how_it_begins(settings, tmp_path):
    """Regression: without its usual ending it came in as unreadable log lines."""
    for name, wrap in (("export.txt", bytes), ("export.txt.gz", gzip.compress)):
        (tmp_path / name).write_bytes(wrap(b"# HELP up x\n# TYPE up gauge\nup 1 1730458800000\n"))

    importer = bring_in(settings, *sorted(tmp_path.glob("export*")))

    assert importer.tally.problems == []
    assert samples(settings) == [("up", 1730458800000)]


def test_openmetrics_that_is_longer_than_a_portion_has_its_stamps_in_seconds(settings, tmp_path):
    """Regression: only the last 4 MiB were known as OpenMetrics; the rest became samples of January 1970."""
    path, count = tmp_path / "export.prom", 120_000
    path.write_bytes(
        b"".join(b'queue_size{queue_name="leads"} 5 %d\n' % (1730458800 + n) for n in range(count)) + b"# EOF\n"
    )
    assert path.stat().st_size > 5 << 20

    importer = bring_in(settings, path)

    found = samples(settings)
    assert importer.tally.problems == []
    assert (len(found), found[0][1], found[-1][1]) == (count, 1730458800000, (1730458800 + count - 1) * 1000)


@pytest.mark.parametrize("stamp", [1730458800_000_000, 999, 32503680000_000])
def test_a_stamp_in_another_unit_or_ahead_of_now_is_left_out_and_told(settings, tmp_path, stamp):
    """Regression: microseconds ended the command with a traceback, and were stored as of the year 56806."""
    path = tmp_path / "export.prom"
    path.write_text(f"up 1 {stamp}\nup 1 1730458800000\n")

    importer = bring_in(settings, path)

    assert samples(settings) == [("up", 1730458800000)]
    assert (
        "whose time stamp, read as ms, lies before 2000 or ahead of now: 1 left out; first: "
        in importer.tally.problems[0]
    )


def test_a_bad_line_is_named_by_its_place_in_the_whole_file_and_once(settings, tmp_path):
    """Regression: lines were counted from each portion's beginning, and each portion told for itself."""
    path, count = tmp_path / "export.prom", 90_000
    lines = [
        b'queue_size{queue_name="a rather long name of a queue"} 5 %d\n' % (1730458800000 + n) for n in range(count)
    ]
    lines[count - 10] = lines[count - 5] = b"broken\n"
    path.write_bytes(b"".join(lines))
    assert path.stat().st_size > 5 << 20

    importer = bring_in(settings, path)

    assert importer.tally.problems == [
        f"{path}: malformed lines: 2 left out; first: line {count - 9}: not “name{{label=\"value\"}} number [ms]”: 'broken'"
    ]


def test_health_answers_of_no_use_are_named(settings, tmp_path):
    """Regression: one without a time was counted as read; one of the year 2999 stayed the newest for ever."""
    path = tmp_path / "health.jsonl"
    good = {
        "target": "a:1",
        "ts": "2024-11-01T10:00:00Z",
        "status_code": 200,
        "body": {"status": "healthy", "checks": {}},
    }
    bad = [
        good | {"ts": "2999-01-01T00:00:00Z"},
        good | {"ts": "0001-01-01T00:00:00+05:00"},
        good | {"ts": "2024-11-01T10:00"},
    ]
    path.write_bytes(b"\n".join(map(orjson.dumps, [good, *bad, good | {"target": ""}])))

    importer = bring_in(settings, path)

    assert (importer.tally.observations, importer.tally.left_out) == (1, 4)
    assert importer.tally.problems == [
        f'{path}: lines with a "ts" ahead of now: 1 left out; first: line 2',
        f'{path}: lines without a "target" or a "ts" with its zone, such as 2026-11-24T10:00:00Z: 3 left out; first: line 3',
    ]
    stores = wiring.open_stores(settings)
    newest = stores.health.now()
    stores.close()
    assert newest["last_seen"].max() < datetime.now(UTC)


# How it runs


def test_a_second_import_says_whom_it_waits_for(settings, tmp_path):
    """Regression: it stood without a word."""
    importer, folder = Importer(settings), spool.folder_of(settings.data_dir)
    with (folder / "import.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711")
        lock.flush()
        with started(settings.data_dir, many(tmp_path / "combined.log", 5)) as second:
            told = second.stderr.readline()
            fcntl.flock(lock, fcntl.LOCK_UN)
            out = second.stdout.read()

    assert told == "Another import runs (process 4711): this one waits until that has ended.\n"
    assert "New in the stores: 5 records" in out
    assert importer.taken.records == 0


def test_where_nobody_takes_it_in_the_reason_is_told_and_it_ends(settings, tmp_path, monkeypatch, caplog):
    """Regression: with stores that cannot be opened it waited for ever, silently."""
    monkeypatch.setattr(taking_in, "TOLD_AFTER_S", 0.3)
    monkeypatch.setattr(taking_in, "PATIENCE_S", 1.0)
    stores = wiring.open_stores(settings)  # a dashboard that hangs

    with pytest.raises(SourceUnavailable, match=rf"took nothing in for \d+ s: .*in use by process {os.getpid()}"):
        bring_in(settings, many(tmp_path / "combined.log", 5))

    stores.close()
    assert [record.getMessage().partition(" for ")[0] for record in caplog.records] == ["The stores took nothing in"]
    assert bring_in(settings, tmp_path / "combined.log").taken.duplicates == 5, (
        "the first one's spool was taken in before"
    )


def test_what_was_put_aside_is_not_told_as_done(settings, tmp_path, monkeypatch):
    """Regression: exit code 0 and no word, though nothing of the file was stored."""
    monkeypatch.setattr(spool, "_take", refuse)

    importer = bring_in(settings, many(tmp_path / "combined.log", 5))

    assert importer.taken.records == 0
    assert "the stores could not take it in" in summary(importer)


def test_root_does_not_import_for_another(settings, monkeypatch):
    folder = spool.folder_of(settings.data_dir)
    if os.geteuid() == 0:  # otherwise it is another's than root's as it is
        os.chown(folder, 65534, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    with pytest.raises(SettingsError, match=r"belongs to .*sudo -u"):
        Importer(settings)


@pytest.mark.slow
def test_ctrl_c_ends_it_in_one_line_and_the_next_one_goes_on(settings, tmp_path):
    """Regression: each parsing process told of its interruption by a traceback."""
    path = many(tmp_path / "combined.log", 100_000, pad=500)  # over 4 MiB: children parse
    with started(settings.data_dir, path) as child:
        while not list((settings.data_dir / "spool").glob("*.arrow")):  # the first of many stretches
            assert child.poll() is None, "it was over before anybody interrupted it"
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGINT)
        for one in psutil.Process(child.pid).children():
            assert os.getpgid(one.pid) != os.getpgid(child.pid), "the terminal would interrupt it too"
        told = child.communicate(timeout=60)

    assert child.returncode == 130
    assert told == ("", "Stopped. The same command again goes on; nothing is added twice.\n")
    bring_in(settings, path)
    assert stored(settings) == 100_000


def is_held_by(settings: Settings, process: int) -> bool:
    try:
        wiring.open_stores(settings).close()
    except SourceUnavailable as error:
        return f"process {process}:" in str(error)
    return False


@pytest.mark.slow
def test_a_dashboard_that_starts_while_an_import_has_the_stores_gets_them(settings, tmp_path):
    """Regression: it ended with "in use by process …" for as long as the import lasted."""
    path = many(tmp_path / "combined.log", 60_000, pad=500)
    with started(settings.data_dir, path) as importing:
        while not is_held_by(settings, importing.pid):
            assert importing.poll() is None, "it was over before anybody asked"
            time.sleep(0.02)

        stores = after_an_import(lambda: wiring.open_stores(settings), settings.data_dir)

        began, sinks = time.monotonic(), spool.Sinks(stores.logs, stores.metrics, stores.health)
        while importing.poll() is None and time.monotonic() - began < 60:
            spool.drain(spool.folder_of(settings.data_dir), sinks)
            time.sleep(0.02)
        told = importing.communicate(timeout=10)
    stores.close()

    assert importing.returncode == 0, told
    assert "New in the stores: 60000 records" in told[0]
    assert stored(settings) == 60_000


def test_what_else_keeps_the_stores_is_told_at_once(settings):
    stores = wiring.open_stores(settings)
    began = time.monotonic()

    with pytest.raises(SourceUnavailable, match="in use by process"):
        after_an_import(lambda: wiring.open_stores(settings), settings.data_dir)

    stores.close()
    assert time.monotonic() - began < 5


def test_samples_that_nobody_would_see_are_not_brought_in(settings, tmp_path):
    """Regression: where Prometheus is asked they went into the embedded store, and the command said all was in."""
    path = tmp_path / "export.prom"
    path.write_text("up 1 1730458800000\n")

    importer = bring_in(settings.model_copy(update={"prometheus_url": "http://p:9090"}), path)

    assert importer.tally.problems[0].startswith(f"{path}: left out: the metrics are read from PROMETHEUS_URL")
    assert samples(settings) == []
