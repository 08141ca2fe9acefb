"""All tables of the state database: to add one, write its model and its migration, and name its module here."""

from __future__ import annotations

from sqlalchemy import Table

from lib.alerts import tables as alerts
from lib.checklists import tables as checklists
from lib.handover import tables as handover
from lib.heartbeats import tables as heartbeats
from lib.state import audit, episodes
from lib.state.database import WRITTEN_BY, Base, Writer

MODELS = (audit, episodes, alerts, checklists, heartbeats, handover)


def all_tables() -> list[Table]:
    """Every table, each after those that it refers to."""
    return list(Base.metadata.sorted_tables)


def written_by_people() -> list[Table]:
    """The tables that an export holds."""
    return [table for table in all_tables() if table.info[WRITTEN_BY] is Writer.PEOPLE]
