"""A business event is one record and its counters, with the integration's messages and fields."""

from typing import Any

import pytest

from lib.telemetry.events import BusinessEvents
from lib.telemetry.logger import Logger
from lib.telemetry.metrics import Metrics

from .conftest import Records

HEAD = {"timestamp", "level", "service", "version"}


@pytest.fixture
def events(logger: Logger, metrics: Metrics) -> BusinessEvents:
    return BusinessEvents(logger, metrics)


def counted(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def no_route() -> None:
    raise ConnectionError("no route to apollo")


def body(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in HEAD}


def test_a_lead_is_logged_and_counted(events: BusinessEvents, records: Records, metrics: Metrics) -> None:
    events.lead_created({"id": "L-1", "company": "ACME", "email": "a@b.example", "phone": "1"}, "apollo")

    assert [body(record) for record in records()] == [
        {
            "message": "Lead Created", "event": "lead.created", "leadId": "L-1", "source": "apollo",
            "company": "ACME", "email": "a@b.example",
        }
    ]  # fmt: skip
    assert counted(metrics, "leads_created_total", source="apollo") == 1


def test_a_conversion_is_logged_and_counted(events: BusinessEvents, records: Records, metrics: Metrics) -> None:
    events.lead_converted("L-1", "P-9")

    assert [body(record) for record in records()] == [
        {"message": "Lead Converted to Prospect", "event": "lead.converted", "leadId": "L-1", "prospectId": "P-9"}
    ]
    assert counted(metrics, "prospects_created_total") == 1


def test_an_opportunity_is_logged_and_counted_in_its_range(
    events: BusinessEvents, records: Records, metrics: Metrics
) -> None:
    events.opportunity_created({"id": 7, "value": 60_000, "probability": 40, "expected_close_date": "2026-12-31"})

    assert [body(record) for record in records()] == [
        {
            "message": "Opportunity Created", "event": "opportunity.created", "opportunityId": 7, "value": 60_000,
            "probability": 40, "expectedCloseDate": "2026-12-31",
        }
    ]  # fmt: skip
    assert counted(metrics, "opportunities_created_total", value_range="50k-100k") == 1


def test_a_sync_run_is_logged_in_milliseconds_and_counted_in_leads(
    events: BusinessEvents, records: Records, metrics: Metrics
) -> None:
    events.sync_completed("zoominfo", 10, 7, 3, 1234.5)

    assert [body(record) for record in records()] == [
        {
            "message": "Data Synchronization Completed", "event": "sync.completed", "source": "zoominfo",
            "stats": {"processed": 10, "successful": 7, "failed": 3, "duration": 1234.5},
        }
    ]  # fmt: skip
    assert counted(metrics, "lead_sync_total", source="zoominfo", status="success") == 7
    assert counted(metrics, "lead_sync_total", source="zoominfo", status="failed") == 3


def test_a_run_without_failures_still_shows_its_series_at_zero(events: BusinessEvents, metrics: Metrics) -> None:
    events.sync_completed("apollo", 5, 5, 0, 80)

    assert counted(metrics, "lead_sync_total", source="apollo", status="failed") == 0


def test_a_failure_has_its_text_in_error_and_a_stack(events: BusinessEvents, records: Records) -> None:
    with pytest.raises(ConnectionError) as caught:
        no_route()

    events.error_occurred("lead.sync", caught.value, source="apollo")

    [record] = records()
    assert (record["level"], record["message"]) == ("ERROR", "Operation Failed")
    assert (record["event"], record["operation"], record["source"]) == ("operation.error", "lead.sync", "apollo")
    assert record["error"] == "no route to apollo"
    assert record["stack"].startswith("Traceback")
    assert record["stack"].endswith("ConnectionError: no route to apollo")


def test_a_failure_told_by_text_shows_where_it_was_told(events: BusinessEvents, records: Records) -> None:
    events.error_occurred("backup", "disk full")

    [record] = records()
    assert record["error"] == "disk full"
    assert "test_events.py" in record["stack"].splitlines()[-2]


def test_an_error_without_a_text_is_told_by_its_kind(events: BusinessEvents, records: Records) -> None:
    events.error_occurred("sync", TimeoutError())

    assert records()[0]["error"] == "TimeoutError"


def test_context_replaces_none_of_the_events_own_fields(events: BusinessEvents, records: Records) -> None:
    events.error_occurred("sync", "true reason", **{"operation": "x", "error": "x", "event": "x", "leadId": "L-1"})

    [record] = records()
    assert (record["operation"], record["error"], record["event"]) == ("sync", "true reason", "operation.error")
    assert record["leadId"] == "L-1"


@pytest.mark.parametrize("value", [None, "", "60000", "many", float("nan")])
def test_an_opportunity_of_an_odd_value_is_still_recorded(
    events: BusinessEvents, records: Records, metrics: Metrics, value: Any
) -> None:
    events.opportunity_created({"id": 7, "value": value})

    assert records()[0]["opportunityId"] == 7
    ranges = [s for family in metrics.opportunities_created_total.collect() for s in family.samples]
    assert sum(s.value for s in ranges if s.name.endswith("_total")) == 1
