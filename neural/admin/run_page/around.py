"""The runs, the schedule and the rows around a run, as far as a user may see them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.urls import NoReverseMatch
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import pgettext

from neural.admin.display import link
from neural.models import TaskRun
from neural.runs.lineage import Lineage, Link, lineage_of
from neural.runs.written import WrittenRow, written_by
from neural.sites import address_in_admin

BEAT = "django_celery_beat"
_OF_SCHEDULE = re.compile(r"schedule-([0-9]{1,9})-")


@dataclass(frozen=True)
class Relative:
    """Another run, and what it is to this one."""

    relation: Any
    run: TaskRun


@dataclass(frozen=True)
class Around:
    """What the section of lineage shows."""

    schedule: SafeString | str
    relatives: Sequence[Relative]
    more_children: bool

    def __bool__(self) -> bool:
        return bool(self.schedule or self.relatives)


def around(run: TaskRun, user: Any) -> Around:
    """The schedule that asked, the runs that this one came from, and those that came of it."""
    lineage = lineage_of(run, user)
    return Around(_schedule(run, user), list(_relatives(lineage)), lineage.more_children)


def _relatives(lineage: Lineage) -> Iterator[Relative]:
    if lineage.root:
        yield Relative(pgettext("run", "Began with"), lineage.root)
    if lineage.parent:
        yield Relative(pgettext("run", "Started by"), lineage.parent)
    yield from _edited(pgettext("run", "Corrects"), lineage.edited_from)
    yield from _edited(pgettext("run", "Corrected by"), lineage.edited_to)
    for child in lineage.children:
        yield Relative(pgettext("run", "Started"), child)


def _edited(relation: str, links: Sequence[Link]) -> Iterator[Relative]:
    return (Relative(relation, each.run) for each in links if each.run)


def _schedule(run: TaskRun, user: Any) -> SafeString | str:
    """A link to the schedule that asked for the run: to its history, else to its form."""
    found = _OF_SCHEDULE.match(run.task_id)
    if found is None or not apps.is_installed(BEAT):
        return ""
    model = apps.get_model(BEAT, "PeriodicTask")
    if not any(user.has_perm(f"{BEAT}.{verb}_periodictask") for verb in ("view", "change")):
        return ""
    schedule = model.objects.filter(pk=int(found[1])).first()
    if schedule is None:
        return ""
    try:
        history = address_in_admin("neural_schedulepolicy_change", schedule.pk)
    except NoReverseMatch:
        return link(schedule, schedule.name)
    return format_html('<a href="{}">{}</a>', history, schedule.name)


@dataclass(frozen=True)
class ShownRow:
    """A row that was written for the run's event."""

    kind: str
    link: SafeString | str
    is_current: bool | None
    by_run: bool


def written(run: TaskRun, user: Any) -> list[ShownRow]:
    """The rows that apps say were written for the run's event."""
    return shown_rows(written_by(run, user), user)


def shown_rows(found: Iterable[WrittenRow], user: Any) -> list[ShownRow]:
    """Those of models that this user may view."""
    return [_shown(each) for each in found if _may_view(user, each.row)]


def _may_view(user: Any, row: Model) -> bool:
    meta = row._meta
    return bool(user.has_perm(f"{meta.app_label}.view_{meta.model_name}"))


def _shown(found: WrittenRow) -> ShownRow:
    kind = str(found.row._meta.verbose_name)
    return ShownRow(kind[:1].upper() + kind[1:], link(found.row), found.is_current, found.by_run)
