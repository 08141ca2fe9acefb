"""What a person wrote, as it may be kept: the same for notes, reasons and comments everywhere."""

from __future__ import annotations

from lib.redact import redact


def by_hand(words: str, longest: int) -> str:
    """Trimmed, at most `longest` characters of it, and credentials masked: what is kept here is read, exported and handed to
    auditors. A NUL, which PostgreSQL refuses, stands as its sign."""
    return str(redact(words.strip()[:longest])[0])
