"""The pages that are walked, with addresses that differ from visit to visit, and who walks them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import NoReverseMatch, reverse

from benchmarks.console.ledger_rows import SCHEDULES
from benchmarks.growth.ledger import STORES
from benchmarks.http_load import HOST
from neural.models import AuditEntry, BulkAction, Store, TaskRun
from neural.monitoring.models import ErrorGroup, ErrorGroupHit
from neural.queues import QUEUES
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


RUNS, EVENTS = "neural_taskrun_changelist", "neural_neuralevent_changelist"
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
    Line("events", EVENTS, seen_by=BOTH),
    Line("events: a store", EVENTS, {"store": "{store}"}, seen_by=BOTH),
    Line("events: a type", EVENTS, {"type": "order.created"}, seen_by=BOTH),
    Line("events: a search", EVENTS, {"q": "{event_id}"}, seen_by=BOTH),
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


PART = {"HX-Request": "true"}
"""The header with which a page asks for the part of it that refreshes by itself."""
LANGUAGES = ("en", "zh-hans")
OWN_STORES = 5
SEEN_BY_OPERATORS = (
    *("taskrun", "neuralevent", "store", "workerprocess"),
    *("examination", "errorgroup", "alert", "order", "auditentry"),
)
NotWalked = dict[str, int]
"""Pages that are not walked, and the status with which they answered; 0 if there is none."""


@dataclass(frozen=True)
class Page:
    """A page: its name in the figures, and how an address of it is drawn."""

    name: str
    address: Callable[[Random], str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Viewer:
    """A user with a session, and the pages on their walk."""

    headers: Mapping[str, str]
    pages: Sequence[Page]


def viewers(number: int, *, runs: int) -> tuple[Sequence[Viewer], NotWalked]:
    """Every fifth viewer is an operator of some stores; half of all read Chinese. Pages that do not
    answer are left out."""
    get_user_model()._default_manager.filter(username__regex=r"^(chief|operator)-").delete()
    found: list[Viewer] = []
    not_walked: NotWalked = {}
    for place in range(number):
        is_limited = place % 5 == 4
        user = _operator(place) if is_limited else _chief(place)
        pages = _of_operators(place) if is_limited else _of_chiefs(runs)
        seen = Viewer(headers_of(user, LANGUAGES[place % 2]), pages)
        absent: NotWalked = {}
        acting = [*_acting(seen, place, is_limited, absent)]
        found.append(Viewer(seen.headers, [*pages, *acting]))
        not_walked |= absent
    return found, not_walked


def _acting(seen: Viewer, place: int, is_limited: bool, absent: NotWalked) -> Iterator[Page]:
    """The pages of the table that answer this viewer."""
    stores = _stores_of(place) if is_limited else []
    for name, draw in addresses(OWN if is_limited else CHAIN, facts(stores=stores)):
        shown = f"{name} (own stores)" if is_limited else name
        if place > 0 and name.startswith("file of"):
            continue  # a web process makes two files at once, and refuses a third
        status = 0 if draw is None else _status(seen, draw(Random(place)))
        if draw is not None and status == HTTPStatus.OK:
            yield Page(shown, draw, {})
        else:
            absent[shown] = status


def _status(viewer: Viewer, address: str) -> int:
    answer: Any = Client(SERVER_NAME=HOST).get(address, headers=dict(viewer.headers))
    answer.close()
    return int(answer.status_code)


def _chief(place: int) -> Any:
    users = get_user_model()._default_manager
    return users.create_superuser(f"chief-{place}", f"chief-{place}@example.com", "unused")  # type: ignore[attr-defined]


def _operator(place: int) -> Any:
    user = get_user_model()._default_manager.create(username=f"operator-{place}", is_staff=True)
    names = [f"view_{name}" for name in SEEN_BY_OPERATORS]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    user.neural_stores.set(Store.objects.filter(pk__in=_stores_of(place)))
    return user


def _stores_of(place: int) -> Sequence[str]:
    return [f"S{(place * OWN_STORES + nth) % STORES:03}" for nth in range(OWN_STORES)]


def headers_of(user: Any, language: str) -> Mapping[str, str]:
    """What a browser sends in which this user is signed in."""
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    return {
        "Cookie": f"{settings.SESSION_COOKIE_NAME}={session}",
        "Accept-Language": language,
        "Accept-Encoding": "gzip",
    }


def _of_chiefs(runs: int) -> Sequence[Page]:
    run_list = _list("neural_taskrun")
    dead = list(TaskRun.objects.dead().order_by("-pk").values_list("pk", flat=True)[:100])
    groups = list(ErrorGroup.objects.order_by("pk").values_list("pk", flat=True))
    return [
        *_home(["hour", "day", "week"]),
        *_with_part("queues", _list("neural_queuepause")),
        *_with_part("workers", _list("neural_workerprocess")),
        *_with_part("schedules", _list("neural_schedulepolicy")),
        _page("a schedule", _one("neural_schedulepolicy", range(1, SCHEDULES + 1))),
        _page("errors", _list("neural_monitoring_errorgroup")),
        _page("errors: all states", f"{_list('neural_monitoring_errorgroup')}?state=all"),
        _page("an error group", _one("neural_monitoring_errorgroup", groups)),
        _page("alerts", _list("neural_monitoring_alert")),
        _page("alerts: resolved", f"{_list('neural_monitoring_alert')}?state=resolved"),
        _page("alert messages", _list("neural_monitoring_alertmessage")),
        _page("retention", _list("neural_monitoring_retention")),
        _page("runs", run_list),
        _page("runs: a store", lambda draw: f"{run_list}?store={_store(draw)}"),
        _page("runs: a queue", lambda draw: f"{run_list}?queue={draw.choice([*QUEUES])}"),
        _page("runs: running", f"{run_list}?state=running"),
        _page("runs: waiting", f"{run_list}?state=pending"),
        _page("runs: dead letters", f"{run_list}?state=dead"),
        _page("a run", _one("neural_taskrun", range(1, runs + 1))),
        *_of_each("a dead run", "neural_taskrun", dead),
        _page("metrics", reverse("neural_metrics")),
        _page("all tables", reverse("admin:all_tables")),
    ]


def _of_operators(place: int) -> Sequence[Page]:
    """The pages of a user who sees some stores only."""
    stores = _stores_of(place)
    hits = ErrorGroupHit.objects.filter(store_code__in=stores)
    groups = list(hits.order_by("group").values_list("group", flat=True).distinct())
    run_list = _list("neural_taskrun")
    pages = [
        *_home(["day", "week"]),
        *_with_part("workers", _list("neural_workerprocess")),
        _page("errors", _list("neural_monitoring_errorgroup")),
        _page("alerts", _list("neural_monitoring_alert")),
        _page("runs", run_list),
        _page("runs: a store", lambda draw: f"{run_list}?store={draw.choice(stores)}"),
        _page("runs: dead letters", f"{run_list}?state=dead"),
        *_of_each("an error group", "neural_monitoring_errorgroup", groups),
    ]
    return [Page(f"{each.name} (own stores)", each.address, each.headers) for each in pages]


def _home(spans: Sequence[str]) -> Sequence[Page]:
    home = reverse("admin:console_home")
    named = [(f"home: {span}", f"{home}?span={span}") for span in spans]
    return [page for name, address in named for page in _with_part(name, address)]


def _with_part(name: str, address: str) -> Sequence[Page]:
    return [_page(name, address), _page(f"{name}, refreshed", address, PART)]


def _page(
    name: str, address: str | Callable[[Random], str], headers: Mapping[str, str] | None = None
) -> Page:
    draw = address if callable(address) else lambda _: address
    return Page(name, draw, headers or {})


def _list(model: str) -> str:
    return reverse(f"admin:{model}_changelist")


def _of_each(name: str, model: str, keys: Sequence[int]) -> Sequence[Page]:
    """The page of one of these rows; none if a small ledger has no such row."""
    return [_page(name, _one(model, keys))] if keys else []


def _one(model: str, keys: Sequence[int]) -> Callable[[Random], str]:
    return lambda draw: reverse(f"admin:{model}_change", args=[draw.choice(keys)])


def _store(draw: Random) -> str:
    return f"S{draw.randrange(STORES):03}"
