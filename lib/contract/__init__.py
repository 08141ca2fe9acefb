"""What the dashboard expects of the monitored service's telemetry, what reads each part of it, and what is there."""
