"""The tail's way into Elasticsearch: every record exactly once, though the network gives each at least once.

A record's id is that of its line. What was sent and not acknowledged is sent again, and the cluster refuses a second
record of one id. Positions are kept in the embedded store's file once the cluster has acknowledged what is before them.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import elasticsearch
import pyarrow as pa
from elastic_transport import TransportError
from elasticsearch import ApiError, helpers

from lib.errors import SourceError, SourceRejected, SourceUnavailable
from lib.logs.elastic.client import NAME, Access, Body, Pauses, open_client, reason_of, retry_after_s, translate
from lib.logs.elastic.documents import DAY, Document, documents
from lib.logs.ingest import BATCH, Checkpoint, Gap, LogSink

TIMEOUT_S = 30.0
CHUNK = 1_000
_CHUNK_BYTES = 8 << 20
_TOO_BUSY = (408, 429, 500, 502, 503, 504)
_THERE, _MAPPING = 409, 400
_SHUT = ("cluster_block_exception", "index_closed_exception")
_SETTLED = timedelta(days=2)
"""Past its day an index that takes no writes was closed to them on purpose, as the lifecycle policy does after a week."""

_RETRIES, _FIRST_PAUSE_S, _LONGEST_PAUSE_S = 3, 0.5, 4.0
_VARIES = re.compile(r" in document with id .*|\[\d+:\d+\] ?|document with id '[^']*'")


class Shipper:
    """LogSink that writes to `index` (with {day}: one per day) and keeps positions and gaps in `ledger`.

    Threads take turns. A write that raises SourceError may have been kept in part: writing it again is harmless.
    """

    def __init__(
        self, access: Access, index: str, ledger: LogSink, *, timeout_s: float = TIMEOUT_S, pauses: Pauses | None = None,
        threads: int = 4,
    ) -> None:  # fmt: skip
        self._client = open_client(access, timeout_s).options(max_retries=0)
        self._index, self._ledger, self._threads = index, ledger, threads
        self._pauses = pauses or Pauses()
        self._unsure = True
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._counts = Counter[str]()

    def counters(self) -> dict[str, int]:
        """Since the start: `sent` records, `resent` ones that were there already, `refused` ones that the mapping did not take."""
        with self._lock:
            return {name: self._counts[name] for name in ("sent", "resent", "refused")}

    def begin(self, positions: Sequence[Checkpoint]) -> None:
        """Keeps where new origins begin: after a kill their lines get the same ids again."""
        self._ledger.write(BATCH.empty_table(), positions)

    def write(self, batch: pa.Table, checkpoints: Sequence[Checkpoint] = (), gaps: Sequence[Gap] = ()) -> None:
        """Sends the rows, waits until all are acknowledged, then keeps positions and gaps. Raises SourceError."""
        if not batch.schema.equals(BATCH):
            raise SourceRejected("the batch does not have the columns of lib.logs.ingest.BATCH", NAME)
        with self._turn:  # the tail's, and an import's
            self._write(batch, checkpoints, gaps)

    def _write(self, batch: pa.Table, checkpoints: Sequence[Checkpoint], gaps: Sequence[Gap]) -> None:
        self._pauses.refuse()
        refused: list[tuple[Document, str]] = []
        try:
            if len(batch):
                refused = self._deliver(self._fresh(documents(batch, self._index)))
        except SourceError as error:
            self._unsure = True
            if isinstance(error, SourceUnavailable):
                cause = error.__cause__
                self._pauses.failed(str(error), retry_after_s(cause) if isinstance(cause, Exception) else 0.0)
            raise
        self._pauses.went_well()
        left = [document.number for document, why in refused if why.startswith("!")]
        self._ledger.write(
            batch.take(left) if left else BATCH.empty_table(), checkpoints, [*gaps, *_told(batch, refused)]
        )
        self._unsure = False
        with self._lock:
            self._counts.update(sent=len(batch), refused=len(refused))

    def close(self) -> None:
        """Closes the sockets; the ledger is its opener's."""
        self._client.close()

    def _deliver(self, found: list[Document]) -> list[tuple[Document, str]]:
        """All of them; those that the mapping refused, with the reason, which begins with ! where nothing of one is kept."""
        failed = self._send(found)
        there = [document for document, status, _ in failed if status == _THERE]
        wrong = [(document, why) for document, status, why in failed if status != _THERE]
        if others := self._others(there):
            wrong += [(document, why) for document, status, why in self._send(others) if status != _THERE]
        with self._lock:
            self._counts["resent"] += len(there) - len(others)
        reduced = {document.identity: why for document, why in wrong}
        lost = {
            document.identity: why
            for document, status, why in self._send([document.reduced(why) for document, why in wrong])
            if status != _THERE
        }
        return [
            (document, f"!{lost[name]}" if (name := document.identity) in lost else reduced[name])
            for document, _ in wrong
        ]

    def _send(self, found: Sequence[Document]) -> list[tuple[Document, int, str]]:
        """What was not taken, with status and reason; what the cluster was too busy for is sent again, more slowly."""
        failed = self._bulk(found, patient=len(found) < 2 * CHUNK)
        busy = [document for document, status, _ in failed if status in _TOO_BUSY]
        if busy:
            again = self._bulk(busy, patient=True)
            if still := [(status, why) for _, status, why in again if status in _TOO_BUSY]:
                raise SourceUnavailable(f"HTTP {still[0][0]}: {still[0][1]} ({len(still):,} records)", NAME)
            failed = [one for one in failed if one[1] not in _TOO_BUSY] + again
        for document, status, why in failed:
            if not self._for_good(document, status, why):
                raise SourceRejected(f"HTTP {status}: {why}", NAME)
        return failed

    def _for_good(self, document: Document, status: int, why: str) -> bool:
        """Whether a refusal is about this record. A missing right or index is about all, and waits until somebody sees to it."""
        if not why.startswith(_SHUT):
            return status in (_THERE, _MAPPING)
        past = f"{datetime.now(UTC) - _SETTLED:%Y-%m-%d}"
        return DAY in self._index and str(document.source["@timestamp"])[:10] < past

    def _bulk(self, found: Sequence[Document], *, patient: bool) -> list[tuple[Document, int, str]]:
        by_id = {document.identity: document for document in found}
        options: dict[str, Any] = {"chunk_size": CHUNK, "max_chunk_bytes": _CHUNK_BYTES, "raise_on_error": False}
        slow: dict[str, Any] = {"max_retries": _RETRIES, "initial_backoff": _FIRST_PAUSE_S, "max_backoff": _LONGEST_PAUSE_S,
                "retry_on_status": (429, 503)}  # fmt: skip
        actions = (document.action for document in found)
        answers: Iterable[tuple[bool, Any]] = (
            helpers.streaming_bulk(self._client, actions, **options, **slow) if patient
            else helpers.parallel_bulk(self._client, actions, self._threads, **options)
        )  # fmt: skip
        try:
            items = [item for good, item in answers if not good]
        except (ApiError, TransportError) as error:
            raise translate(error) from error
        told = [next(iter(item.values())) for item in items]
        return [(by_id[one["_id"]], int(one["status"]), _reason(one)) for one in told]

    # What may have been sent before

    def _fresh(self, found: Iterable[Document]) -> list[Document]:
        """Without those that were sent before under another day: their time is when they were read, which is now again."""
        every = list(found)
        doubtful = [document for document in every if document.made_up] if self._unsure and DAY in self._index else []
        before = f"{datetime.now(UTC) - timedelta(days=1):%Y.%m.%d}"
        earlier = [
            Document(self._index.replace(DAY, before), one.identity, one.source, one.number, made_up=True)
            for one in doubtful
        ]
        kept = {document.identity for document, source in zip(earlier, self._sources(earlier), strict=True) if source}
        return [document for document in every if document.identity not in kept]

    def _others(self, there: Sequence[Document]) -> list[Document]:
        """Those whose id another record has: a file that began as an older one did."""
        sources = self._sources(there)
        return [
            document.beside() for document, source in zip(there, sources, strict=True)
            if source is not None and not document.same_as(source)
        ]  # fmt: skip

    def _sources(self, asked: Sequence[Document]) -> list[Body | None]:
        """What the cluster has under these ids, whether searches see it already or not. None: nothing, or not to be known."""
        found: list[Body | None] = []
        for start in range(0, len(asked), CHUNK):
            part = [{"_index": one.index, "_id": one.identity} for one in asked[start : start + CHUNK]]
            try:
                docs = self._client.mget(docs=part).body["docs"]
            except elasticsearch.BadRequestError:  # a data stream has no index of its own name
                docs = [{} for _ in part]
            except (ApiError, TransportError) as error:
                raise translate(error) from error
            found += [doc.get("_source") if doc.get("found") else None for doc in docs]
        return found


def _reason(item: Body) -> str:
    """Without ids, so that reasons can be counted."""
    return _VARIES.sub("", reason_of(item))[:200]


def _told(batch: pa.Table, refused: Sequence[tuple[Document, str]]) -> list[Gap]:
    """A gap per file and reason."""
    counted = Counter((batch["file"][document.number].as_py(), why) for document, why in refused)
    now = datetime.now(UTC)
    return [
        Gap(now, file, "refused", f"{why.removeprefix('!')}: {_KEPT[why.startswith('!')]}", records)
        for (file, why), records in counted.items()
    ]


_KEPT = {False: "kept as one text", True: "kept in the data folder alone"}
