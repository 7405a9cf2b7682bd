"""What can be chosen: periods, works, stores, queues, workers, numbers of attempts."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from celery import current_app
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from neural.admin.list_page import Choice
from neural.events.registry import handlers_of
from neural.events.types import event_types
from neural.kit.tasks import load_tasks
from neural.ledger.work import WorkSource, given_title
from neural.models import Store, WorkerProcess
from neural.runs.admin.runs_list.asked import Asked
from neural.runs.query import EVER, PERIODS, USUAL_PERIOD

MOST_LISTED = 200
PERIOD_NAMES = {
    "1h": gettext_lazy("the last hour"),
    "24h": gettext_lazy("the last 24 hours"),
    "7d": gettext_lazy("the last 7 days"),
    "30d": gettext_lazy("the last 30 days"),
    EVER: gettext_lazy("all times"),
}
TRIES = (1, 2, 3, 5, 10)


def choices_of(asked: Asked, user: Any) -> list[Choice]:
    """The fields beside the search box."""
    return [
        period_of(asked),
        _choice(asked, "work", _("work"), _("any work"), _works()),
        _stores(asked, user),
        _choice(asked, "queue", _("queue"), _("any queue"), _same(current_app.amqp.queues)),
    ]


def more_choices_of(asked: Asked, user: Any) -> list[Choice]:
    """Fields that are needed less often."""
    return [
        *_workers(asked, user),
        _choice(asked, "tries", _("attempts"), _("any number"), _tries()),
    ]


def period_of(asked: Asked) -> Choice:
    """The choice of a period; without a value if there are times instead."""
    options = [(name, str(PERIOD_NAMES[name])) for name in (*PERIODS, EVER)]
    value = asked.query.shown_period if asked.query else USUAL_PERIOD
    return Choice(
        name="period",
        label=pgettext("time", "period"),
        options=options,
        value=value,
        nothing="" if value else _("from … to …"),
    )


def _choice(
    asked: Asked,
    name: str,
    label: str,
    nothing: str,
    options: Sequence[tuple[str, str]],
    more: str = "",
) -> Choice:
    value = _value(asked, name)
    return Choice(name=name, label=label, options=options, value=value, nothing=nothing, more=more)


def _value(asked: Asked, name: str) -> str:
    if asked.query is None:
        return asked.params.get(name, "")
    return asked.query.params().get(name, "")


def _works() -> list[tuple[str, str]]:
    found = {*_handlers(), *_tasks()}
    named = [
        (name, f"{title} · {name}" if (title := given_title(name)) else name) for name in found
    ]
    return sorted(named, key=lambda each: each[1])


def _handlers() -> Iterator[str]:
    for kind in event_types():
        yield from (each.name for each in handlers_of(kind.name))


def _tasks() -> Iterator[str]:
    """The tasks whose calls are runs."""
    load_tasks()
    for name, task in list(current_app.tasks.items()):  # another thread may import more
        if isinstance(task, WorkSource):
            yield name


def _same(names: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, name) for name in names]


def _stores(asked: Asked, user: Any) -> Choice:
    found = list(Store.objects.for_user(user).order_by("code")[: MOST_LISTED + 1])
    options = [(each.pk, f"{each.name} · {each.pk}" if each.name else each.pk) for each in found]
    more = _("others: type a name into the search box") if len(found) > MOST_LISTED else ""
    return _choice(asked, "store", _("store"), _("all stores"), options[:MOST_LISTED], more)


def _workers(asked: Asked, user: Any) -> list[Choice]:
    """For who may see the workers."""
    if not user.has_perm("neural.view_workerprocess"):
        return []
    found = WorkerProcess.objects.present().order_by("name", "pk")[:MOST_LISTED]
    options = [(str(each.pk), each.name) for each in found if each.queues]
    return [_choice(asked, "worker", _("worker"), _("any worker"), options)]


def _tries() -> list[tuple[str, str]]:
    return [(str(number), at_least(number)) for number in TRIES]


def at_least(number: int) -> str:
    """A least number of attempts, in words."""
    text = ngettext(
        "at least %(count)d failed or lost", "at least %(count)d failed or lost", number
    )
    return text % {"count": number}
