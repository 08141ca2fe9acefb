"""Every signal by its name: to add one, write its function in a topic module and one line here."""

from __future__ import annotations

from lib.signals import (
    capacity,
    errors,
    explore,
    health,
    leads,
    logs,
    overview,
    performance,
    queues,
    rule_history,
    rulebook,
    security,
    system,
)
from lib.signals.base import Signal

TTL_S = 60
_FUNCTIONS = (
    overview.golden_signals, overview.verdicts, overview.changes, overview.metric_seen, overview.field_seen,
    rulebook.rule_limit, rulebook.rule_series, rulebook.rule_measured, rule_history.rule_share, rule_history.rule_spread,
    errors.error_summary, errors.error_last_hour, errors.error_trend, errors.http_error_ratio,
    errors.error_patterns, errors.new_error_patterns, errors.error_samples,
    errors.errors_by_operation, errors.errors_by_version, errors.errors_by_route,
    logs.log_records, logs.log_counts, logs.log_levels, logs.log_top_values, logs.log_patterns, logs.log_record,
    logs.log_around, logs.log_trace, logs.log_export,
    explore.explore_range, explore.explore_instant, explore.metric_names, explore.metric_labels, explore.label_values,
    performance.latency_summary, performance.latency_trend, performance.p95_by_rule, performance.latency_distribution,
    performance.latency_heatmap, performance.slowest_routes, performance.route_latency, performance.request_rate,
    performance.active_connections, performance.query_latency, performance.query_rate,
    performance.db_errors,
    queues.queue_depth, queues.queue_status, queues.failed_syncs, queues.sync_success_ratio, queues.sync_runs,
    queues.sync_sources,
    leads.lead_totals, leads.lead_funnel, leads.leads_trend, leads.leads_by_source, leads.lead_sources,
    leads.conversion_trend, leads.conversion_by_events, leads.opportunities_by_value,
    system.cpu, system.memory, system.event_loop_lag, system.garbage_collections, system.open_files,
    system.db_pool_ratio, system.instances, system.resources,
    system.restarts, system.growth, system.versions, system.version_changes, system.backup, system.log_volume,
    capacity.capacity_forecast, capacity.daily_log_records, security.refused, security.new_user_agents,
    health.health_now, health.response_times, health.uptime, health.uptime_bars, health.outages, health.watched,
)  # fmt: skip

SIGNALS: dict[str, Signal] = {
    function.__name__: Signal(function.__name__, function, TTL_S, (function.__doc__ or "").partition("\n")[0])
    for function in _FUNCTIONS
}
"""What pages may ask by name; a signal's help is the first line of its function's docstring."""
