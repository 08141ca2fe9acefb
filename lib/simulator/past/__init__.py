"""Writes the history that the simulated instances would have left: logs, metrics, health answers."""
