"""Records of our own tail as the documents that deploy/elasticsearch's template wants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from lib.logs.elastic.client import Body
from lib.logs.rollup import pattern_id

DAY = "{day}"
"""What an index name has where the day of the record, as 2026.03.10, belongs."""

_MOST_KEPT = 30_000
_MADE = {"log", "route", "pattern", "pattern_id"}
_NAMES = {
    "message": "message", "service": "service", "version": "version", "event": "event", "request_id": "requestId",
    "lead_id": "leadId", "source": "source", "operation": "operation", "method": "method", "route": "route", "url": "url",
    "error": "error", "stack": "stack", "pattern": "pattern", "reason": "reason", "status": "status",
    "duration_ms": "duration", "value": "value", "response_bytes": "responseSize",
}  # fmt: skip
_STATS = {"processed": "processed", "successful": "successful", "failed": "failed", "sync_ms": "duration"}


@dataclass(frozen=True, slots=True)
class Document:
    """One record on its way: where it goes, under which id; `number` is its row, `made_up` that its time is when it was read."""

    index: str
    identity: str
    source: Body
    number: int
    made_up: bool = False

    @property
    def action(self) -> Body:
        """What the client's bulk helper takes; the body stands apart, or its `version` would be taken for metadata."""
        return {"_op_type": "create", "_index": self.index, "_id": self.identity, "_source": self.source}

    def beside(self) -> Document:
        """The same under an id that tells it from another record with its id."""
        digest = blake2b(orjson.dumps(self.source, option=orjson.OPT_SORT_KEYS), digest_size=6).hexdigest()
        return Document(self.index, f"{self.identity}.{digest}", self.source, self.number, self.made_up)

    def same_as(self, other: Body) -> bool:
        """Whether another body is this record's, written before: perhaps by an older release, or under the file's old name."""
        ours = _MADE | ({"@timestamp"} if self.made_up else set())
        mine, theirs = ({k: v for k, v in one.items() if k not in ours} for one in (self.source, other))
        return bool(orjson.loads(orjson.dumps(mine)) == theirs) or "refused" in theirs

    def reduced(self, why: str) -> Document:
        """What is left to be found of a record that the mapping refuses, with all that it held as one text."""
        kept = {
            name: self.source[name] for name in ("@timestamp", "level", "service", "pattern_id") if name in self.source
        }
        whole = orjson.dumps(self.source).decode()[:_MOST_KEPT]
        message = str(self.source.get("message", ""))
        body = kept | {"message": message, "reason": f"refused by the index: {why}", "refused": whole}
        return Document(self.index, self.identity, body, self.number, self.made_up)


def documents(batch: pa.Table, index: str) -> Iterator[Document]:
    """The records of a batch (schema BATCH), in order. What a record lacks is left out."""
    stamps = np.datetime_as_string(batch["ts"].cast(pa.timestamp("ms")).to_numpy(), unit="ms").tolist()
    columns = {
        name: batch[name].to_pylist() for name in (*_NAMES, *_STATS, "id", "level", "file", "fields", "truncated")
    }
    for number, stamp in enumerate(stamps):
        row: dict[str, Any] = {name: values[number] for name, values in columns.items()}
        name = index.replace(DAY, stamp[:10].replace("-", "."))
        yield Document(name, row["id"], _body(row, f"{stamp}Z"), number, made_up=row["reason"] != "")


def _body(row: dict[str, Any], stamp: str) -> Body:
    own: Body = orjson.loads(row["fields"]) if len(row["fields"]) > 2 else {}
    found: Body = {"@timestamp": stamp, "level": row["level"]}
    found |= {name: value for column, name in _NAMES.items() if (value := row[column]) is not None and value != ""}
    if row["pattern"]:
        found["pattern_id"] = pattern_id(row["pattern"])
    stats = {name: row[column] for column, name in _STATS.items() if row[column] is not None}
    if stats:
        found["stats"] = (own.pop("stats", None) or {}) | stats if isinstance(own.get("stats", {}), dict) else stats
    if row["truncated"]:
        found["truncated"] = True
    if row["file"] and "log" not in own:
        found["log"] = {"file": {"path": row["file"]}}
    return own | found
