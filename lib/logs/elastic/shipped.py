"""The log store where the tail writes to Elasticsearch: asked there, with positions and gaps in an embedded file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa

from lib.logs.duckdb import DuckLogs
from lib.logs.elastic.client import Connection
from lib.logs.elastic.records import Clean
from lib.logs.elastic.ship import Shipper
from lib.logs.elastic.store import ElasticLogs
from lib.logs.ingest import Checkpoint, Gap
from lib.window import Window


class ShippedLogs(ElasticLogs):
    """ElasticLogs and LogSink. `ledger` keeps positions, gaps, and the records that the cluster took in no form."""

    def __init__(self, connection: Connection, shipper: Shipper, ledger: DuckLogs, *, clean: Clean) -> None:
        super().__init__(connection, clean=clean)
        self._shipper, self._ledger = shipper, ledger

    @property
    def recovered_from(self) -> Path | None:
        """Where a damaged ledger was moved; None normally."""
        return self._ledger.recovered_from

    def mend(self) -> bool:
        """Opens the ledger anew where an error made that necessary; whether it did. Raises SourceError."""
        return self._ledger.mend()

    def begin(self, positions: Sequence[Checkpoint]) -> None:
        """Keeps where new origins begin, so that a second sending of their rows is known as one."""
        self._shipper.begin(positions)

    def write(self, batch: pa.Table, checkpoints: Sequence[Checkpoint] = (), gaps: Sequence[Gap] = ()) -> None:
        """Comes back when the cluster has acknowledged the rows and positions and gaps are kept. Raises SourceError."""
        self._shipper.write(batch, checkpoints, gaps)

    def checkpoints(self) -> list[Checkpoint]:
        """Every position kept, in no order."""
        return self._ledger.checkpoints()

    def forget(self, origins: Sequence[str]) -> None:
        """Drops the positions of files that are gone for good."""
        self._ledger.forget(origins)

    def counters(self) -> dict[str, int]:
        """What was sent since the start: see Shipper."""
        return self._shipper.counters()

    def gaps(self, window: Window) -> pd.DataFrame:
        """What our own tail lost, skipped, kept unread or saw refused, newest first; of other shippers nothing is known."""
        return self._ledger.gaps(window)

    def compact(self) -> int:
        """Tidies the ledger."""
        return self._ledger.compact()

    def retain(self, older_than: datetime) -> int:
        """Drops old gaps from the ledger; how long the cluster keeps records is its lifecycle policy's affair."""
        return self._ledger.retain(older_than)

    def close(self) -> None:
        """Closes the sockets and lets go of the ledger's file."""
        super().close()
        self._shipper.close()
        self._ledger.close()
