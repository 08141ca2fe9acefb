"""The table of pages: to add one, write its file and one line here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from lib.identity.roles import Role

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Entry:
    """One page: its file under pages/, the words of the menu, its address, what it answers, whose menu shows it, and
    under which heading."""

    file: str
    title: str
    icon: str
    url_path: str
    description: str
    role: Role = Role.VIEWER
    group: str = ""

    @property
    def path(self) -> Path:
        """The file as an absolute path, which `st.Page` and `st.switch_page` both take."""
        return ROOT / "pages" / self.file


def _group(name: str, *entries: Entry) -> tuple[Entry, ...]:
    return tuple(replace(entry, group=name) for entry in entries)


PAGES = (
    Entry("overview.py", "Overview", ":material/monitor_heart:", "", "Is anything wrong, where, and since when"),
    Entry("alerts.py", "Alerts", ":material/notifications:", "alerts", "What fires, who was told, what to do"),
    Entry("checklists.py", "Checklists", ":material/checklist:", "checklists", "What to look at today, and who did"),
    Entry("handover.py", "Hand-over", ":material/swap_horiz:", "handover", "What the next shift has to know"),
    *_group(
        "The service",
        Entry("errors.py", "Errors", ":material/error:", "errors", "What is failing now, what is new"),
        Entry("logs.py", "Logs", ":material/search:", "logs", "Find records, follow a request or a lead"),
        Entry("performance.py", "Performance", ":material/speed:", "performance", "How fast the service answers"),
        Entry("queues.py", "Queues & sync", ":material/sync:", "queues", "Work that waits, sources that sync"),
        Entry("leads.py", "Leads", ":material/filter_alt:", "leads", "Leads created, converted, won"),
        Entry("system.py", "System", ":material/memory:", "system", "CPU, memory, connections, versions"),
        Entry(
            "health.py", "Health", ":material/favorite:", "health", "Each dependency, its outages, its response time"
        ),
        Entry("explore.py", "Explore", ":material/query_stats:", "explore", "Ask the metrics anything, in PromQL"),
    ),
    *_group(
        "Alerting",
        Entry("rules.py", "Rules", ":material/rule:", "rules", "What is watched, and how to change it"),
        Entry(
            "alert_test.py",
            "Alert test",
            ":material/notification_important:",
            "alert-test",
            "Preview, send a test, drill",
        ),
        Entry("runbooks.py", "Runbooks", ":material/menu_book:", "runbooks", "What an alert means and what to do"),
    ),
    *_group(
        "This dashboard",
        Entry("capacity.py", "Capacity", ":material/database:", "capacity", "What is kept, how large, when it is full"),
        Entry(
            "contract.py", "Contract", ":material/fact_check:", "contract", "Which metric or field is missing or wrong"
        ),
        Entry("setup.py", "Setup", ":material/settings:", "setup", "Whether each source answers; every setting"),
        Entry("audit.py", "Audit", ":material/history:", "audit", "Who did what, and when", Role.ADMIN),
    ),
)


def entry(url_path: str) -> Entry:
    """The page at an address ("" is the first). Raises KeyError where there is none."""
    return {page.url_path: page for page in PAGES}[url_path]
