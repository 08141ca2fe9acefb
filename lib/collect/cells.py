"""The values of one field over many records: without credentials, each different one looked at once, as Arrow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lib.redact import MAX_DEPTH, hidden, redact, suspects

_TEXT: frozenset[Any] = frozenset({str, type(None)})
_SCALAR: frozenset[Any] = frozenset({int, float, bool, type(None)})
_NULL = pa.scalar("null")
_FEW = 24
"""So few texts are read sooner than the quick look is prepared."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts by reference: row `n` is `distinct[places[n]]`; two of `distinct` may be equal."""

    distinct: pa.StringArray
    places: pa.Int32Array

    @classmethod
    def of(cls, column: pa.Array[Any]) -> Texts:
        """An Arrow column of texts without nulls."""
        encoded: Any = column.dictionary_encode()
        return cls(encoded.dictionary, encoded.indices)

    def changed(self, change: Callable[[str], str | bytes]) -> Texts:
        """The same rows after `change`, which is asked once for each different text."""
        return Texts(pa.array(map(change, map(str, self.distinct.to_pylist())), pa.string()), self.places)

    def plain(self) -> pa.Array[Any]:
        """One text per row."""
        return self.distinct.take(self.places)


def clean_texts(values: Sequence[str | None]) -> tuple[Texts, int]:
    """Texts without credentials ("" for None), and how many were taken out."""
    texts = Texts.of(pa.array(values, pa.string()).fill_null(""))
    return _cleaned(texts, redact)


def clean_json(values: Sequence[Any], *, secret: bool) -> tuple[pa.Array[Any], int]:
    """The values written as JSON without credentials, and how many were taken out; `secret`: their name is a secret's.

    Raises TypeError for a value that is deeper than the writer goes.
    """
    if secret:
        shown, counts = zip(*map(hidden, values), strict=True)
        return pa.array(map(orjson.dumps, shown), pa.string()), sum(counts)
    kinds = set(map(type, values))
    if kinds <= _SCALAR:
        return pa.array(orjson.dumps(values)[1:-1].split(b","), pa.string()), 0  # no comma is in any of them
    if kinds <= _TEXT:
        texts, count = clean_texts(values)
        written = texts.changed(orjson.dumps).plain()
        if len(kinds) > 1:
            written = pc.if_else(pa.array([value is None for value in values]), _NULL, written)
        return written, count
    texts = Texts.of(pa.array(map(orjson.dumps, values), pa.string()))
    texts, count = _cleaned(texts, _clean_written, deep=True)
    return texts.plain(), count


def _clean_written(text: str) -> tuple[bytes, int]:
    value, count = redact(orjson.loads(text), 1)
    return orjson.dumps(value), count


def _cleaned(texts: Texts, clean: Callable[[str], tuple[str | bytes, int]], *, deep: bool = False) -> tuple[Texts, int]:
    doubtful = _doubtful(texts.distinct, deep=deep)
    if not len(doubtful):
        return texts, 0
    distinct: list[Any] = texts.distinct.to_pylist()
    found = np.zeros(len(distinct), np.int64)
    for at in doubtful.tolist():
        distinct[at], found[at] = clean(distinct[at])
    return Texts(pa.array(distinct, pa.string()), texts.places), int(found[texts.places.to_numpy()].sum())


def _doubtful(distinct: pa.StringArray, *, deep: bool) -> npt.NDArray[np.intp]:
    """Which texts, by their places, have to be read for credentials; `deep`: they are JSON and may be too deep."""
    if len(distinct) <= _FEW:
        return np.arange(len(distinct))
    doubtful = suspects(distinct)
    if deep:
        doubtful |= pc.count_substring_regex(distinct, r"[\[{]").to_numpy() >= MAX_DEPTH
    return np.flatnonzero(doubtful)
