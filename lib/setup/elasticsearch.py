"""Checks the Elasticsearch that the logs are read from, and shipped to."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from lib import tls_faults, wiring
from lib.errors import OpsError, SourceRejected
from lib.logs.elastic.client import Connection
from lib.logs.elastic.fields import Fields, Plan
from lib.logs.elastic.install import NAME as TEMPLATE
from lib.logs.elastic.shipped import ShippedLogs
from lib.settings import Settings
from lib.setup.base import Check, Grade, Row, off
from lib.setup.web import SKEW_S
from lib.stores import Stores

OLD_S = 900.0
_INSTALL = "Run python -m lib.logs.elastic.install, which serves indices made from then on; reindex the older ones."
_HINTS = (
    ("HTTP 401", "Set ES_API_KEY, ES_BEARER_TOKEN, or ES_USERNAME and ES_PASSWORD."),
    ("HTTP 403", "Give its user the rights read and view_index_metadata on HALO_OPS_ES_INDEX."),
    *tls_faults.hints("ELASTICSEARCH_NODE"),
    ("HALO_OPS_ES_CA_FILE", "Set HALO_OPS_ES_CA_FILE to the PEM file of the authority that signed its certificate."),
    ("closed", "Open the index, or leave it out of HALO_OPS_ES_INDEX."),
    ("mapped", _INSTALL),
    ("not known", "The host name cannot be resolved: check its spelling and DNS."),
    ("resolution", "The host name cannot be resolved: check its spelling and DNS."),
    ("refused", "Nothing listens there: is the cluster running, and is the port right?"),
    ("in time", "It hangs, or a firewall drops packets: try ELASTICSEARCH_NODE with curl from this host."),
)
_COMPARED = ("level", "service", "message", "event", "request_id")
_NUMBERS = ("duration_ms", "value")


def elasticsearch(settings: Settings, stores: Stores) -> Check:
    """Reachable and authorised, version, indices, newest record, clocks, mapping, and how the shipping stands."""

    def ask() -> list[Row]:
        if not settings.elasticsearch_node:
            return off("Elasticsearch", "ELASTICSEARCH_NODE", " to read the logs there instead of the embedded store")
        connection = wiring.open_connection(settings)
        try:
            return [*_rows(connection, stores), *_shipping(connection, settings, stores)]
        finally:
            connection.close()

    return Check("elasticsearch", "Elasticsearch", "The cluster that the logs are in.", ask)


def _rows(connection: Connection, stores: Stores) -> list[Row]:
    try:
        found = connection.field_caps(["@timestamp", "timestamp"])
        plans = Fields(connection).plans()
    except OpsError as error:
        return [Row("answer", Grade.FAILED, str(error), _hint(error))]
    parts: tuple[tuple[str, Callable[[], list[Row]]], ...] = (
        ("answer", lambda: [Row("answer", Grade.OK, f"answers and lets us read, {_version(connection)}")]),
        ("indices", lambda: [_indices(connection.index, found["indices"])]), ("newest record", lambda: [_newest(stores)]),
        ("clock", lambda: [_clock(connection)]), ("mapping", lambda: [row for plan in plans for row in _mapping(connection, plan)]),
    )  # fmt: skip
    rows = []
    for what, look in parts:
        try:
            rows += look()
        except OpsError as error:
            rows.append(Row(what, Grade.WARNING, str(error), _hint(error)))
    return rows


def _hint(error: OpsError) -> str:
    for words, hint in _HINTS:
        if words in str(error):
            return hint
    if isinstance(error, SourceRejected):
        return "Set ELASTICSEARCH_NODE to the cluster itself, port included: is it a proxy or Kibana that answers?"
    return "Is the cluster running, and has ELASTICSEARCH_NODE the right scheme, host and port?"


def _version(connection: Connection) -> str:
    try:
        nodes = (connection.get("/_nodes/_local?filter_path=nodes.*.version") or {}).get("nodes", {})
        return "version " + ", ".join(sorted({str(node["version"]) for node in nodes.values()}))
    except OpsError:  # it needs the right monitor
        return "its version is not told to us"


def _indices(pattern: str, names: list[str]) -> Row:
    if not names:
        hint = "Set HALO_OPS_ES_INDEX to the indices, alias or data stream that the shipper writes to."
        return Row("indices", Grade.FAILED, f"none is called {pattern}", hint)
    more = f", … {names[-1]}" if len(names) > 3 else ""
    return Row("indices", Grade.OK, f"{len(names):,}: {', '.join(names[:3])}{more}")


def _newest(stores: Stores) -> Row:
    newest = stores.logs.newest()
    if newest is None:
        return Row("newest record", Grade.FAILED, "none", "Nothing was shipped yet: look at the shipper's own log.")
    age_s = (datetime.now(UTC) - newest).total_seconds()
    if age_s < -SKEW_S:
        return Row("newest record", Grade.WARNING, f"{-age_s:.0f} s ahead of now", "Set the service's clock by NTP.")
    old = age_s > OLD_S
    hint = "The shipper stands still, or the service logs nothing: compare with the file's end." if old else ""
    return Row("newest record", Grade.WARNING if old else Grade.OK, f"{max(age_s, 0):,.0f} s old", hint)


def _clock(connection: Connection) -> Row:
    """A node's own time, which stands in its statistics."""
    before = time.time()
    try:
        nodes = (connection.get("/_nodes/_local/stats/process?filter_path=nodes.*.timestamp") or {}).get("nodes", {})
    except OpsError:
        return Row("clock", Grade.OK, "not told to us: that needs the right monitor")
    middle = (before + time.time()) / 2
    far = max((abs(float(node["timestamp"]) / 1000 - middle) for node in nodes.values()), default=0.0)
    if far > SKEW_S:
        return Row("clock", Grade.WARNING, f"{far:,.0f} s off ours", "Set the clocks of both hosts by NTP.")
    return Row("clock", Grade.OK, "agrees with ours")


def _mapping(connection: Connection, plan: Plan) -> list[Row]:
    """What the indices of one way of mapping are like."""
    where = "mapping" if plan.indices is None else f"mapping of {plan.indices[-1]}" + ", …" * (len(plan.indices) > 1)
    try:
        said = [f"time is {plan.ts}"]
    except SourceRejected as error:
        return [Row(where, Grade.FAILED, str(error), _INSTALL)]
    texts = [name for name in _COMPARED if (path := plan.paths(name)) and path[0].kind not in ("exact", "number")]
    wrong = [name for name in _NUMBERS if (path := plan.paths(name)) and path[0].kind != "number"]
    if texts or wrong:
        lacking = [f"{name} is no keyword" for name in texts] + [f"{name} is no number" for name in wrong]
        return [Row(where, Grade.FAILED, ", ".join([*said, *lacking]), _INSTALL)]
    said += [f"levels are {_levels(connection, plan)}"]
    cut = [name for name in _COMPARED if (path := plan.paths(name)) and path[0].cut]
    said += ["long texts are found by their words"] if cut else []
    own = bool(plan.paths("pattern_id"))
    return [
        Row(where, Grade.OK, ", ".join([*said, "patterns are stored" if own else "patterns are made from the texts"]))
    ]


def _levels(connection: Connection, plan: Plan) -> str:
    paths = plan.exact("level")
    if not paths:
        return "not there"
    body = {"size": 0, "track_total_hits": False, "aggs": {"levels": {"terms": {"field": paths[0].name, "size": 5}}}}
    (answer,) = connection.search([(plan.indices, body)])
    return ", ".join(str(bucket["key"]) for bucket in answer["aggregations"]["levels"]["buckets"]) or "not there"


def _shipping(connection: Connection, settings: Settings, stores: Stores) -> list[Row]:
    if not settings.ship_to_elasticsearch:
        return []
    rows = []
    try:
        if connection.get(f"/_index_template/{TEMPLATE}") is None:
            rows.append(Row("template", Grade.WARNING, "not installed", _INSTALL))
        else:
            rows.append(Row("template", Grade.OK, f"{TEMPLATE} is there"))
    except OpsError as error:
        rows.append(Row("template", Grade.WARNING, str(error), "Reading it needs the right manage_index_templates."))
    if isinstance(stores.logs, ShippedLogs):
        counts = stores.logs.counters()
        said = f"{counts['sent']:,} records sent to {settings.ship_index} since the start, {counts['refused']:,} refused by the mapping"
        hint = (
            "They are kept as one text each (field refused), with the reason: see the gaps in the header."
            if counts["refused"]
            else ""
        )
        rows.append(Row("shipping", Grade.WARNING if counts["refused"] else Grade.OK, said, hint))
    return rows
