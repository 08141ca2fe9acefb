"""Log records put into a real Elasticsearch, in the forms that they come in: what a store is asked in tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import orjson
import pyarrow as pa

from lib.logs.elastic.client import Access, Connection
from lib.logs.elastic.records import Clean
from lib.logs.elastic.store import ElasticLogs
from lib.logs.rollup import pattern_id

Document = dict[str, Any]
TEMPLATE = Path(__file__).parents[2] / "deploy" / "elasticsearch" / "index-template.json"
_numbers = count()


def templated(row: Mapping[str, Any]) -> Document:
    """As our index template has it: the event's time, keywords, the pattern beside the text."""
    return _common(row) | {
        "@timestamp": row["ts"].isoformat(), "level": row["level"], "route": row["route"], "status": row["status"],
        "error": row["error"], "pattern": row["pattern"], "pattern_id": pattern_id(row["pattern"]),
    }  # fmt: skip


def winston(row: Mapping[str, Any]) -> Document:
    """As winston-elasticsearch sends it to a dynamic mapping: small letters, no pattern. The text that makes it is `error`."""
    status = "status" if row["message"] == "HTTP Request" else "statusCode"
    own = row["pattern"] if row["pattern"] != row["message"] else ""
    return _common(row) | {
        "@timestamp": row["ts"].isoformat(), "level": row["level"].lower(), "route": row["route"],
        status: row["status"], "error": row["error"] or own,
    }  # fmt: skip


def _common(row: Mapping[str, Any]) -> Document:
    names = {
        "requestId": "request_id",
        "leadId": "lead_id",
        "duration": "duration_ms",
        "responseSize": "response_bytes",
    }
    plain = (
        "message",
        "service",
        "version",
        "event",
        "source",
        "operation",
        "method",
        "url",
        "stack",
        "value",
        "reason",
    )
    stats = {"processed": "processed", "successful": "successful", "failed": "failed", "duration": "sync_ms"}
    found = orjson.loads(row["fields"] or "{}") | {name: row[name] for name in plain}
    found |= {name: row[column] for name, column in names.items()} | ({"truncated": True} if row["truncated"] else {})
    found |= {"log": {"file": {"path": row["file"]}}} if row["file"] else {}
    held = {name: row[column] for name, column in stats.items() if row[column] is not None}
    return found | ({"stats": held} if held else {})


STYLES: dict[str, Callable[[Mapping[str, Any]], Document]] = {"template": templated, "winston": winston}


class Indices(ElasticLogs):
    """ElasticLogs over daily indices of their own on a shared server, with a way to put records in."""

    def __init__(
        self, url: str, style: str = "template", clean: Clean = lambda value: value, *, fresh_s: float = 0,
        extent_s: float = 0, keep_s: float = 0,
    ) -> None:  # fmt: skip
        self.prefix = f"halopsa-integration-{next(_numbers)}"
        self.http = httpx.Client(base_url=url, timeout=30)
        self._document = STYLES[style]
        self.keeps_patterns = style == "template"
        self._ids: Counter[str] = Counter()
        template = orjson.loads(TEMPLATE.read_bytes()) if style == "template" else {"template": {}, "priority": 201}
        template |= {"index_patterns": [f"{self.prefix}-*"], "priority": 1000 + int(self.prefix.rsplit("-")[-1])}
        template["template"].setdefault("settings", {})["index.translog.durability"] = "async"
        self.http.put(f"/_index_template/{self.prefix}", json=template).raise_for_status()
        connection = Connection(Access((url,), f"{self.prefix}-*"), timeout_s=60, keep_s=keep_s)
        super().__init__(connection, clean=clean, fresh_s=fresh_s, extent_s=extent_s)

    def write(self, batch: pa.Table) -> None:
        """Puts in a batch of schema BATCH as a shipper would; an id that is there already gets a number."""
        rows = batch.to_pylist()
        for row in rows:
            self._ids[row["id"]] += 1
            if (seen := self._ids[row["id"]]) > 1:
                row["id"] = f"{row['id']}.{seen}"
        self.put((f"{row['ts']:%Y.%m.%d}", row["id"], self._document(row)) for row in rows)

    def put(self, documents: Iterable[tuple[str, str, Document]]) -> None:
        """Puts in (day, id, document); what a document has as None or "" is left out."""
        lines = []
        for day, identity, document in documents:
            named = {"_id": identity} if identity else {}
            lines.append(orjson.dumps({"index": {"_index": f"{self.prefix}-{day}", **named}}))
            lines.append(orjson.dumps({name: value for name, value in document.items() if value not in (None, "")}))
        if lines:
            body = b"\n".join([*lines, b""])
            kind = {"content-type": "application/x-ndjson"}
            found = self.http.post("/_bulk?refresh=true", content=body, headers=kind).raise_for_status().json()
            assert not found["errors"], found

    def close(self) -> None:
        """Removes the indices and their template."""
        super().close()
        try:
            found = self.http.get(f"/{self.prefix}-*/_settings?expand_wildcards=all&flat_settings=true").json()
            if found:
                self.http.delete(f"/{','.join(found)}").raise_for_status()
            self.http.delete(f"/_index_template/{self.prefix}").raise_for_status()
        finally:
            self.http.close()
