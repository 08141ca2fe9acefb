"""Routes of indices that log addresses only: each route is a filter that the cluster judges, exactly as `route_of` does."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Sequence

from lib.logs.elastic.client import Body, Connection
from lib.logs.elastic.fields import Plan
from lib.logs.patterns import route_of

OTHER = "*"
"""The name of what is on none of the routes that are known."""

MOST_ROUTES = 100
TOP_ADDRESSES, SAMPLE = 2_000, 500

# Unbounded where they can be: counted repetitions make large automata, and a question has several per route.
_ORIGIN = r"([A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*)?"
_END = "/*([?#](.|\n)*)?"
_SPECIAL = re.compile(r'([.?+*|{}\[\]()"\\#@&<>~^$-])')
# What `route_of` keeps as it is: words, and these, which have a character that a word has not.
_KEPT = r"(v[0-9]{1,3}|[A-Za-z]{2,20}[0-9]{1,2}|\{[^/{}?#]{1,30}\}|:[A-Za-z_]{1,30})"
_NOT_A_WORD = r"([^/?#]*[^/?#A-Za-z._~\-][^/?#]*|[A-Za-z._~\-]{41,})"


def query_of(name: str, route: str) -> Body:
    """The records whose address, in the keyword field `name`, is on the route.

    An address that begins with neither a slash nor a scheme and host is on none: HTTP servers do not log such.
    """
    if not route.startswith("/"):
        return {"match_none": {}}
    segments = [segment for segment in route.split("/") if segment]
    parts = [_NOT_A_WORD if segment == "{id}" else _SPECIAL.sub(r"\\\1", segment) for segment in segments]
    if len(segments) == 8 and segments[-1] == OTHER:
        parts[-1] = "[^/?#]+(/+[^/?#]+)+"
    kept = [_on(name, [*parts[:n], _KEPT, *parts[n + 1 :]]) for n, part in enumerate(parts) if part == _NOT_A_WORD]
    return {"bool": {"filter": [_on(name, parts)], "must_not": kept}}


def _on(name: str, parts: Sequence[str]) -> Body:
    """The path of the address, after a scheme and host or alone, has these segments."""
    path = "".join(f"/+{part}" for part in parts)
    return {"regexp": {name: {"value": _ORIGIN + path + _END, "flags": "NONE"}}}


class Routes:
    """The routes that were seen, most requests first; looked for again after `fresh_s`."""

    def __init__(self, fresh_s: float = 60.0) -> None:
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._found: dict[tuple[Plan, int, int], tuple[float, tuple[str, ...]]] = {}

    def of(self, connection: Connection, plan: Plan, within: Body, span: tuple[int, int]) -> tuple[str, ...]:
        """Routes among the most frequent addresses and a sample of all in `span` (what `within` filters by)."""
        key = (plan, *span)
        with self._lock:
            until, known = self._found.get(key, (float("-inf"), ()))
        if time.monotonic() < until:
            return known
        name = plan.exact("url")[0].name
        top: Body = {"size": 0, "track_total_hits": False, "query": within,
                     "aggs": {"top": {"terms": {"field": name, "size": TOP_ADDRESSES}}}}  # fmt: skip
        sample: Body = {"size": SAMPLE, "track_total_hits": False, "_source": False, "docvalue_fields": [name],
                        "query": {"function_score": {"query": {"bool": {"filter": [within, {"exists": {"field": name}}]}},
                                  "boost_mode": "replace", "random_score": {"seed": 1, "field": "_seq_no"}}}}  # fmt: skip
        first, second = connection.search([(plan.indices, top), (plan.indices, sample)])
        counted: Counter[str] = Counter()
        for bucket in first["aggregations"]["top"]["buckets"]:
            counted[route_of(str(bucket["key"]))] += bucket["doc_count"]
        for hit in second["hits"]["hits"]:
            counted[route_of(str(hit["fields"][name][0]))] += 1
        routes = tuple(route for route, _ in counted.most_common(MOST_ROUTES) if route)
        with self._lock:
            if len(self._found) > 100:
                self._found.clear()
            self._found[key] = (time.monotonic() + self._fresh_s, routes)
        return routes
