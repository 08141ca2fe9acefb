"""Every evidence that an item of a checklist can name, with the parameters of its verdict and their usual values."""

from __future__ import annotations

from collections.abc import Mapping

EVIDENCE: Mapping[str, Mapping[str, float]] = {
    # daily
    "new_error_patterns": {"look": 1, "bad": 10},  # patterns never seen before the last tick
    "resources": {
        "cpu_look_percent": 70, "cpu_bad_percent": 90, "memory_look_percent": 80, "memory_bad_percent": 90,
        "disk_look_percent": 80, "disk_bad_percent": 90, "lag_look_ms": 100, "lag_bad_ms": 500,
    },
    "backup": {"look_hours": 25, "bad_hours": 48},  # age of the newest backup
    "queue_depths": {"look": 500, "bad": 1000, "look_hours_to_limit": 24},
    "performance": {
        "p95_look_ms": 1000, "p95_bad_ms": 2000, "error_look_percent": 1, "error_bad_percent": 5, "change_look_percent": 25,
    },
    # weekly
    "top_errors": {"change_look_percent": 50, "change_bad_percent": 200},
    "performance_trend": {"change_look_percent": 20, "change_bad_percent": 50},
    "retention": {},
    "thresholds": {"over_look_percent": 5, "over_bad_percent": 50, "review_look_days": 0},  # share of time over the threshold
    "security_events": {"look": 1, "bad": 50},
    # monthly
    "log_analysis": {"growth_look_percent": 30, "unparsed_look_percent": 1, "unparsed_bad_percent": 5},
    "benchmark": {"change_look_percent": 20, "change_bad_percent": 50},
    "security": {"look": 1, "bad": 1},  # open findings: warnings, failures
    "compliance": {"done_look_percent": 95, "done_bad_percent": 80},
    "capacity": {"look_days": 60, "bad_days": 14},  # days to the nearest limit
}  # fmt: skip
