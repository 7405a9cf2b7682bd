"""What a run works on, and what stands around it: its parents, what it began, what it wrote."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from neural.admin.display import is_readable, json_block, link, value_of
from neural.kit.sites import address_if_there
from neural.models import Batch, TaskRun
from neural.personal.redacting import for_user, sees_personal_data
from neural.runs.batches import followed_by, visible_batch
from neural.runs.lineage import Lineage, Link, edits_of, lineage_of
from neural.runs.written import WrittenRow, written_by

BEAT = "django_celery_beat"
_OF_SCHEDULE = re.compile(r"schedule-([0-9]{1,9})-")


@dataclass(frozen=True)
class Block:
    """A JSON value under a heading; ``name`` is the id of its section."""

    name: str
    title: Any
    shown: SafeString | str


def blocks_of(run: TaskRun, user: Any) -> Sequence[Block]:
    """The event's payload, the arguments and the result; without those that are empty."""
    values: list[tuple[str, Any, Model, str]] = [
        ("args", gettext_lazy("Arguments"), run, "args"),
        ("kwargs", gettext_lazy("Keyword arguments"), run, "kwargs"),
        ("result", gettext_lazy("Result"), run, "result"),
    ]
    if run.event is not None and user.has_perm("neural.view_neuralevent"):
        payload = ("payload", gettext_lazy("The event's payload"), run.event, "payload")
        values.insert(0, payload)
    shown = run.options  # what its caller shows in place of arguments, which may be secrets
    return [
        Block(name, title, json_for(value, user))
        for name, title, row, field in values
        if (value := shown.get(f"{name}repr") or value_of(row, field)) not in (None, [], {})
    ]


def progress_of(run: TaskRun, user: Any) -> tuple[str, SafeString | str] | None:
    """The state that the attempt under way shows, and its details."""
    options = value_of(run, "options")
    if not is_readable(options) or (shown := run.progress) is None:
        return None
    return shown["state"], "" if shown["meta"] is None else json_for(shown["meta"], user)


def documents_of(run: TaskRun) -> Sequence[Any]:
    """What a run works on, and what it worked on before it was edited, whether or not a user may
    see it: the documents that say which names its errors may quote. What cannot be decoded is left
    out."""
    found = [value_of(run, "args"), value_of(run, "kwargs")]
    if run.event is not None:
        found.append(value_of(run.event, "payload"))
    for edit in edits_of(run.pk):
        found += [edit.before, edit.after]
    return list(filter(is_readable, found))


def json_for(value: Any, user: Any) -> SafeString | str:
    """A value of :func:`value_of` as a block. What cannot be decoded cannot be masked either."""
    if is_readable(value):
        return json_block(for_user(value, user))
    if sees_personal_data(user):
        return json_block(value)
    return _("Nested too deep to look for personal data in it, so it is not shown.")


def values_of(row: Model, *fields: str) -> list[Any] | None:
    """The decoded values of these fields; None if one of them is nested too deep."""
    values = [value_of(row, field) for field in fields]
    return values if all(map(is_readable, values)) else None


@dataclass(frozen=True)
class Relative:
    """Another run, and what it is to this one."""

    relation: Any
    run: TaskRun


@dataclass(frozen=True)
class Around:
    """What the section of lineage shows: of batches, the one of which the run is a member, and the
    one that it follows, whose results it may take."""

    schedule: SafeString | str
    batch: Batch | None
    follows: Batch | None
    takes_results: bool
    relatives: Sequence[Relative]
    more_children: bool

    def __bool__(self) -> bool:
        return bool(self.schedule or self.batch or self.follows or self.relatives)


def around(run: TaskRun, user: Any) -> Around:
    """The schedule that asked, the runs that this one came from, and those that came of it."""
    lineage = lineage_of(run, user)
    options = value_of(run, "options")
    header = options.get("header") if is_readable(options) else None
    return Around(
        schedule_of(run.task_id, user),
        visible_batch(user, pk=run.batch_id) if run.batch_id else None,
        followed_by(run, header, user),
        bool(header and header["values"]),
        list(_relatives(lineage)),
        lineage.more_children,
    )


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


def schedule_of(task_id: str, user: Any) -> SafeString | str:
    """A link to the schedule that asked for the run of this id: its history, else its form."""
    found = _OF_SCHEDULE.match(task_id)
    if found is None or not apps.is_installed(BEAT):
        return ""
    model = apps.get_model(BEAT, "PeriodicTask")
    if not any(user.has_perm(f"{BEAT}.{verb}_periodictask") for verb in ("view", "change")):
        return ""
    schedule = model.objects.filter(pk=int(found[1])).first()
    if schedule is None:
        return ""
    history = address_if_there("neural_schedulepolicy_change", schedule.pk)
    if not history:
        return link(schedule, schedule.name)
    return format_html('<a href="{}">{}</a>', history, schedule.name)


@dataclass(frozen=True)
class WrittenLink:
    """A row that was written for the run's event."""

    kind: str
    link: SafeString | str
    is_current: bool | None
    by_run: bool


def written(run: TaskRun, user: Any) -> list[WrittenLink]:
    """The rows that apps say were written for the run's event."""
    return visible_rows(written_by(run, user), user)


def visible_rows(found: Iterable[WrittenRow], user: Any) -> list[WrittenLink]:
    """Those of models that this user may view."""
    return [_shown(each) for each in found if _may_view(user, each.row)]


def _may_view(user: Any, row: Model) -> bool:
    meta = row._meta
    return bool(user.has_perm(f"{meta.app_label}.view_{meta.model_name}"))


def _shown(found: WrittenRow) -> WrittenLink:
    kind = str(found.row._meta.verbose_name)
    return WrittenLink(kind[:1].upper() + kind[1:], link(found.row), found.is_current, found.by_run)
