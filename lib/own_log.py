"""The dashboard's own log: no credential in it, and no text of others that could pass for a line of ours."""

from __future__ import annotations

import logging
import re

from lib.redact import redact_text

_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_FOLLOWING = "\n    | "
_LONGEST = 20_000

# C0 and C1 controls would steer a terminal, line separators would begin a line, direction marks would reorder it.
_STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_ENDS = re.compile(r"\r?\n")


class PlainFormatter(logging.Formatter):
    """One line per event; what follows in a traceback or a text of several lines is marked with a bar."""

    def format(self, record: logging.LogRecord) -> str:
        """The event as it may be written: redacted, controls as ``\\x1b`` or ``\\u202e``."""
        text = redact_text(super().format(record))[0][:_LONGEST]
        return _FOLLOWING.join(_STEERING.sub(_shown, line) for line in _ENDS.split(text))


def _shown(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def set_up(level: str) -> None:
    """Makes every logger of this process write to standard error this way, from `level` on."""
    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter(_FORMAT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("httpx", "elastic_transport"):  # a line for every scrape and question, with the address in it
        logging.getLogger(chatty).setLevel(logging.WARNING)
