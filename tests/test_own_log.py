"""A18 (ASVS 5.0 16.4.1): nothing of others can steer a terminal, begin a line of our own log, or put a secret into it."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from lib.own_log import PlainFormatter

FORMAT = "%(levelname)s %(name)s %(message)s"


def written(message: str, *arguments: object, error: BaseException | None = None) -> str:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("lib.x", logging.WARNING, "x.py", 1, message, arguments, info)
    return PlainFormatter(FORMAT).format(record)


def raised(text: str) -> ValueError:
    """An error that was raised, so that it has a traceback."""
    with pytest.raises(ValueError, match="FAKE") as caught:
        raise ValueError(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("a\rFAKE", r"a\rFAKE"),
        ("a\x9b31m", r"a\x9b31m"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\u2066x\u2069", r"\u2066x\u2069"),
        ("one\u2028two\x85three\x0bfour", r"one\u2028two\x85three\x0bfour"),
        ("NUL\x00", r"NUL\x00"),
        ("Zürich – 日本 ✓", "Zürich – 日本 ✓"),
    ],
)
def test_controls_are_written_as_what_they_are(text: str, shown: str) -> None:
    assert written("%s", text) == f"WARNING lib.x {shown}"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_forged_line_is_marked_as_not_ours(end: str) -> None:
    lines = written("file %s", f"x{end}ERROR halo_ops FAKE").split("\n")

    assert lines == ["WARNING lib.x file x", "    | ERROR halo_ops FAKE"]


def test_a_traceback_stays_readable_and_holds_no_secret() -> None:
    text = written("it broke", error=raised("connect postgres://u:hunter2@db failed\nERROR x FAKE password=hunter2"))

    assert "hunter2" not in text
    assert "test_own_log.py" in text
    assert all(line.startswith("    | ") for line in text.split("\n")[1:])


def test_what_the_log_is_told_in_arguments_is_redacted_too() -> None:
    assert "hunter2" not in written("asked %s with %r", "http://u:hunter2@h/?token=hunter2", {"password": "hunter2"})


def test_the_address_of_every_scrape_is_not_logged() -> None:
    code = "from lib import own_log; import logging; own_log.set_up('debug'); print(logging.getLogger('httpx').level)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == f"{logging.WARNING}\n"
