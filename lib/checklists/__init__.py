"""Checklists of the day, the week and the month: what is to be looked at, who did, and what they saw."""
