"""Bodies as bytes: the client's own JSON with a quicker library."""

from __future__ import annotations

from typing import Any

import orjson
from elasticsearch.serializer import JsonSerializer, NdjsonSerializer


class Json(JsonSerializer):
    """What the quick library refuses, half a surrogate pair for one, goes through the standard one."""

    def json_dumps(self, data: Any) -> bytes:
        """One body, or one line of one."""
        try:
            return orjson.dumps(data)
        except orjson.JSONEncodeError:
            return bytes(super().json_dumps(data))

    def json_loads(self, data: bytes) -> Any:
        """The answer."""
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            return super().json_loads(data)


class Ndjson(NdjsonSerializer, Json):
    """The same, line by line."""


SERIALIZERS = {one.mimetype: one for one in (Json(), Ndjson())}
"""What the client is given."""
