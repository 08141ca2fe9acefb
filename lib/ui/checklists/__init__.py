"""The parts of the Checklists page."""
