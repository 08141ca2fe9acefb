"""The guide's own service, checked by `python -m lib.contract`: exactly the gaps that its code is known to have."""

import json
from collections.abc import Callable

import pytest

from lib.contract.__main__ import main

from .conftest import GuideService

pytestmark = pytest.mark.live

NEVER_EXPORTED = {
    "db_connections_active", "db_connections_max", "db_query_duration_seconds", "db_errors_total", "app_info",
    "lead_conversion_rate", "prospects_created_total", "backup_last_success_timestamp_seconds",
}  # fmt: skip
NOT_LOGGED_HERE = {"Lead Converted to Prospect", "Opportunity Created", "Data Synchronization Completed"}
"""The small service around the guide's code has no such routes."""


def test_the_guides_service_has_the_gaps_that_it_is_known_for(
    guide_service: Callable[..., GuideService], capsys: pytest.CaptureFixture[str]
) -> None:
    service = guide_service()
    service.start()
    for number in range(5):
        service.client.post("/api/leads", json={"id": f"L-{number}", "source": "apollo"})
        service.client.get(f"/api/leads/L-{number}")
    service.client.post("/api/leads/L-1/fail", json={})

    code = main(
        ["--metrics", f"{service.url}/metrics", "--health", f"{service.url}/health",
         "--logs", f"{service.logs}/combined*.log", "--json"]
    )  # fmt: skip

    found = {finding["item"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert code == 1
    wrong = {item for item, finding in found.items() if finding["verdict"] != "ok"}
    assert wrong == NEVER_EXPORTED | NOT_LOGGED_HERE | {"/health: database", "/health: halopsa"}
    assert "Alert DBConnectionPoolExhausted" in found["db_connections_max"]["dead"]
    assert "no latency" in found["/health: database"]["said"]
