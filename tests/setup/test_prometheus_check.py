"""The check of a real Prometheus server."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from lib.metrics.ingest import Samples
from lib.settings import Settings
from lib.setup import prometheus as check_prometheus
from lib.setup.base import Grade
from tests.prometheus_server import prometheus
from tests.seed import empty_stores


@pytest.mark.live
def test_a_server_tells_its_version_and_that_it_does_not_scrape_the_service(tmp_path: Path) -> None:
    now_ms = np.array([int(datetime.now(UTC).timestamp() * 1000) - 1000])
    sample = Samples(({"__name__": "queue_size", "queue_name": "q"},), np.zeros(1, "int32"), now_ms, np.ones(1))
    with prometheus(tmp_path / "server") as server, empty_stores(tmp_path) as stores:
        server.write(sample)
        settings = Settings(prometheus_url=server.url, job="crm", _env_file=None)  # type: ignore[call-arg]

        rows = {row.what: row for row in check_prometheus(settings, stores).ask()}

    assert rows["answer"].grade is Grade.OK
    assert "version " in rows["answer"].said
    assert (rows["metrics"].grade, rows["newest sample"].grade) == (Grade.OK, Grade.OK)
    assert rows["targets"].grade is Grade.FAILED
    assert "HALO_OPS_JOB" in rows["targets"].hint
    assert rows["rules"].said == "0 rules of its own"
