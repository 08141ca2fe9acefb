"""The parts of the Alerts page, and what other pages show of alerts."""
