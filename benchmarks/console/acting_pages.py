"""The pages on which people find runs and act on them, as a table: add a line for a new page.

A page that the project does not have, or that does not answer with 200 as it is written here, is
left out of the walk and named in the figures (``not_walked``).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

from neural.models import AuditEntry, BulkAction, Store, TaskRun
from neural.monitoring.models import ErrorGroup
from neural.restaurant.models import Order

SAMPLE = 200
"""Rows from which each visit draws one."""
CHAIN, OWN = "chain", "own stores"


@dataclass(frozen=True)
class Line:
    """A page: ``address`` is a name in the admin, ``key`` the fact that is its argument, and
    ``query`` its parameters, in which ``{facts}`` are filled in."""

    name: str
    address: str
    query: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    seen_by: tuple[str, ...] = (CHAIN,)


RUNS = "neural_taskrun_changelist"
FIGURES, NEWS = "neural_taskrun_figures", "neural_taskrun_live"
"""What the list asks for by itself: counts of the states with the bars, and new rows."""
BOTH = (CHAIN, OWN)
LINES: Sequence[Line] = (
    *(
        Line(f"runs: tab {state}", RUNS, {"state": state}, seen_by=BOTH)
        for state in ("pending", "running", "succeeded", "dead", "cancelled", "discarded")
    ),
    Line("runs: last hour", RUNS, {"period": "1h"}, seen_by=BOTH),
    Line("runs: 30 days", RUNS, {"period": "30d"}, seen_by=BOTH),
    Line("runs: of all time", RUNS, {"period": "all"}, seen_by=BOTH),
    Line("runs: from and until", RUNS, {"since": "{since}", "until": "{until}"}),
    Line("runs: a work", RUNS, {"work": "{work}"}),
    Line("runs: a worker", RUNS, {"worker": "{worker}"}),
    Line("runs: an error group", RUNS, {"error_group": "{group}", "period": "all"}),
    Line("runs: who asked", RUNS, {"requested_by": "till gateway"}),
    Line("runs: who asked, nobody", RUNS, {"requested_by": "nobody", "period": "all"}),
    Line("runs: three tries", RUNS, {"tries": "3", "period": "all"}),
    Line("runs: search, a task id", RUNS, {"text": "{task_id}"}, seen_by=BOTH),
    Line("runs: search, a prefix", RUNS, {"text": "{prefix}", "period": "all"}, seen_by=BOTH),
    Line("runs: search, an event id", RUNS, {"text": "{event_id}", "period": "all"}, seen_by=BOTH),
    Line("runs: search, an order", RUNS, {"text": "{order}", "period": "all"}, seen_by=BOTH),
    Line("runs: search, a store's name", RUNS, {"text": "{store_name}"}, seen_by=BOTH),
    Line("runs: search, an error", RUNS, {"text": "did not answer", "period": "all"}, seen_by=BOTH),
    Line("runs: search, nothing", RUNS, {"text": "no such thing", "period": "all"}, seen_by=BOTH),
    Line("runs: search, field=value", RUNS, {"text": "state=dead queue=default"}, seen_by=BOTH),
    Line(
        "runs: two filters without a common index",
        RUNS,
        {"queue": "low_priority", "work": "{work}", "store": "{store}", "period": "all"},
        seen_by=BOTH,
    ),
    Line("runs: older pages", RUNS, {"before": "{run}", "period": "all"}, seen_by=BOTH),
    Line("runs: counts", FIGURES, seen_by=BOTH),
    Line("runs: counts of all time", FIGURES, {"period": "all"}, seen_by=BOTH),
    Line("runs: counts, dead", FIGURES, {"state": "dead", "period": "all"}, seen_by=BOTH),
    Line("runs: counts, a work", FIGURES, {"work": "{work}", "period": "all"}, seen_by=BOTH),
    Line("runs: counts, a store", FIGURES, {"store": "{store}"}, seen_by=BOTH),
    Line("runs: counts, an error group", FIGURES, {"error_group": "{group}", "period": "all"}),
    Line("runs: counts, an error", FIGURES, {"error": "did not answer", "period": "all"}),
    Line(
        "runs: counts, two filters without a common index",
        FIGURES,
        {"queue": "low_priority", "work": "{work}", "store": "{store}", "period": "all"},
        seen_by=BOTH,
    ),
    Line("runs: news", NEWS, {"newest": "{run}"}, seen_by=BOTH),
    Line("a run with its links", "neural_taskrun_change", key="run", seen_by=BOTH),
    Line("an event with its order", "neural_neuralevent_change", key="event", seen_by=BOTH),
    Line("an order with its events", "neural_restaurant_order_change", key="order_pk"),
    Line("orders", "neural_restaurant_order_changelist", seen_by=BOTH),
    Line("an error group with its verbs", "neural_monitoring_errorgroup_change", key="group"),
    Line("audit log", "neural_auditentry_changelist", seen_by=BOTH),
    Line("audit log: who", "neural_auditentry_changelist", {"actor": "operator-3"}),
    Line("audit log: action", "neural_auditentry_changelist", {"action": "run.retry"}),
    Line("audit log: search, a run", "neural_auditentry_changelist", {"q": "neural.taskrun {run}"}),
    Line("audit log: search, a reason", "neural_auditentry_changelist", {"q": "the till"}),
    Line("an entry of the audit log", "neural_auditentry_change", key="entry"),
    Line("bulk actions", "neural_bulkaction_changelist"),
    Line("a bulk action", "neural_bulkaction_change", key="action"),
    Line(
        "preview of a bulk action",
        "neural_bulkaction_preview",
        {"verb": "retry", "state": "dead", "period": "all"},
    ),
    Line(
        "preview of a bulk action, a group",
        "neural_bulkaction_preview",
        {"verb": "discard", "state": "dead", "error_group": "{group}", "period": "all"},
    ),
    Line("file of 100 runs, CSV", "neural_taskrun_export_csv", {"rows": "100"}),
    Line("file of 100 dead runs", "neural_taskrun_export_ndjson", {"rows": "100", "state": "dead"}),
    Line("file of 100 events", "neural_neuralevent_export_ndjson", {"rows": "100"}),
)

Facts = Mapping[str, Sequence[Any]]


def facts(*, stores: Sequence[str] = ()) -> Facts:
    """Rows that the pages are about; those of these stores, if any are named."""
    runs = _newest(TaskRun.objects.select_related("event"), stores)
    taken = _newest(TaskRun.objects.exclude(worker=None), stores)  # the newest of all may wait
    half = len(runs) // 2
    events = [run.event for run in runs if run.event]
    orders = _newest(Order.objects.all(), stores)
    named = Store.objects.filter(pk__in=stores) if stores else Store.objects.all()
    return {
        "run": [run.pk for run in runs],
        "task_id": [run.task_id for run in runs],
        "prefix": [run.task_id[:8] for run in runs],
        "work": [run.handler or run.task for run in runs],
        "worker": list(taken.values_list("worker_id", flat=True)),
        "since": [run.created_at.isoformat() for run in runs[half:]],
        "until": [run.created_at.isoformat() for run in runs[:half]],
        "event": [event.pk for event in events],
        "event_id": [event.event_id for event in events],
        "order": [order.number for order in orders],
        "order_pk": [order.pk for order in orders],
        "store": list(named.values_list("pk", flat=True)[:SAMPLE]),
        "store_name": list(named.values_list("name", flat=True)[:SAMPLE]),
        "group": list(ErrorGroup.objects.values_list("pk", flat=True)[:SAMPLE]),
        "entry": list(AuditEntry.objects.order_by("-pk").values_list("pk", flat=True)[:SAMPLE]),
        "action": list(BulkAction.objects.order_by("-pk").values_list("pk", flat=True)[:SAMPLE]),
    }


def _newest(rows: Any, stores: Sequence[str]) -> Any:
    return (rows.filter(store__in=stores) if stores else rows).order_by("-pk")[:SAMPLE]


def addresses(seen_by: str, known: Facts) -> Iterator[tuple[str, Callable[[Random], str] | None]]:
    """Name and drawing of an address of each page for these viewers; None where the project has no
    such page or the database no such row."""
    for line in LINES:
        if seen_by in line.seen_by:
            yield line.name, _drawing(line, known)


def _drawing(line: Line, known: Facts) -> Callable[[Random], str] | None:
    needed = [name for name in known if f"{{{name}}}" in "".join(line.query.values())]
    if not all(known[name] for name in (*needed, *([line.key] if line.key else ()))):
        return None

    def draw(random: Random) -> str:
        drawn = {name: random.choice(known[name]) for name in needed}
        key = [random.choice(known[line.key])] if line.key else []
        query = urlencode({name: value.format(**drawn) for name, value in line.query.items()})
        return f"{reverse(f'admin:{line.address}', args=key)}?{query}"

    try:
        draw(Random(1))
    except NoReverseMatch:
        return None
    return draw
