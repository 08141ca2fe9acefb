"""The parts of the Logs page."""
