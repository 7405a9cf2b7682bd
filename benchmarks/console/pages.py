"""The pages that are walked, with addresses that differ from visit to visit, and who walks them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from random import Random
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from benchmarks.console.acting_pages import CHAIN, OWN, addresses, facts
from benchmarks.console.ledger_rows import SCHEDULES, STORES
from benchmarks.http_load import HOST
from neural.models import Store, TaskRun
from neural.monitoring.models import ErrorGroup, ErrorGroupHit
from neural.queues import QUEUES

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
        seen = Viewer(_headers(user, LANGUAGES[place % 2]), pages)
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


def _headers(user: Any, language: str) -> Mapping[str, str]:
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
