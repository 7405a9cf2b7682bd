"""How values are displayed: badges, times to the second, durations, JSON and links.

Every value goes through ``format_html``, because payloads, errors and names come from outside.
"""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import JSONField, Model, TextField
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from neural.kit.conf import conf
from neural.kit.sites import page_of
from neural.kit.stored_json import depth_of, is_deeper
from neural.ledger.work import given_title, work_title
from neural.models import TaskRun
from neural.personal.redacting import is_masked, shown

NOTHING = "-"  # the admin shows an empty value like this
DEEPEST = 100
"""JSON with at most this many levels is shown indented."""
SHOWN_CHARACTERS = 20_000
"""How many characters are shown of JSON that is nested deeper."""


def badge(state: str, label: Any) -> SafeString:
    """A state as a small coloured label; ``state`` is its code in the style sheet."""
    return format_html('<span class="neural-badge neural-{}">{}</span>', state, label)


def instant(moment: dt.datetime | None) -> SafeString | str:
    """A time to the second in the current zone; Django's own formats leave out the seconds."""
    if moment is None:
        return NOTHING
    local = timezone.localtime(moment)
    text = local.strftime("%Y-%m-%d %H:%M:%S")
    return format_html('<time datetime="{}">{}</time>', local.isoformat(), text)


def short_instant(moment: dt.datetime | None) -> SafeString | str:
    """Like :func:`instant`, for lists: without the year if it is the current one."""
    if moment is None:
        return NOTHING
    local = timezone.localtime(moment)
    this_year = local.year == timezone.localtime().year
    text = local.strftime("%m-%d %H:%M:%S" if this_year else "%Y-%m-%d %H:%M:%S")
    return format_html(
        '<time datetime="{0}" title="{0}">{1}</time>', local.isoformat(sep=" "), text
    )


def duration(length: dt.timedelta | None) -> str:
    """A length of time, as precise as a reader needs."""
    if length is None:
        return NOTHING
    seconds = max(length.total_seconds(), 0)
    if seconds < 1:
        return _("%(number)d ms") % {"number": round(seconds * 1000)}
    if seconds < 60:
        return _("%(number).1f s") % {"number": seconds}
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": rest}
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    return _("%(number)d days") % {"number": hours // 24}


def money(amount: Decimal | None) -> str:
    """An amount with two decimals, or with three if the third is not zero."""
    if amount is None:
        return NOTHING
    text = f"{amount:.3f}"
    return text.removesuffix("0")


def quantity(amount: Decimal | None) -> str:
    """A quantity without trailing zeros."""
    return NOTHING if amount is None else f"{amount:.6f}".rstrip("0").rstrip(".")


def json_block(value: Any, *, key: str = "") -> SafeString | str:
    """JSON, indented, without escaping its characters, with personal data masked for those who
    may not see it."""
    if value is None or value in ([], {}):
        return NOTHING
    if isinstance(value, SafeString):  # nested too deep to be read, and so to be masked by keys
        return value
    text = json.dumps(shown(value, key=key), indent=2, ensure_ascii=False, cls=DjangoJSONEncoder)
    return code_block(text)


def code_block(text: str) -> SafeString:
    """Text that was masked where it had to be (:func:`neural.personal.redacting.shown`), as it
    is written."""
    if is_masked():
        return format_html('<pre class="neural-code" data-masked>{}</pre>', text)
    return format_html('<pre class="neural-code">{}</pre>', text)


def indented(text: str) -> str:
    """JSON text, indented; any other text is returned unchanged. Personal data is masked for those
    who may not see it."""
    text = shown(text)
    if is_deeper(text, conf().max_json_depth):
        return text
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def one_line(text: Any) -> SafeString | str:
    """As much of a text as fits a column; the full text shows when the pointer is over it."""
    if not text:
        return NOTHING
    return format_html('<span class="neural-line" title="{0}">{0}</span>', shown(str(text)))


def named_work(name: str) -> SafeString | str:
    """The title of a handler or task with its name below it; only the name if it has no title."""
    if title := given_title(name):
        return format_html('{} <small class="neural-codename">{}</small>', title, name)
    return name or NOTHING


def name_of(row: Model) -> str:
    """What a row is called where it stands alone; a run by the title of its work."""
    if isinstance(row, TaskRun):
        return f"{work_title(row.work_name)} {row.task_id}"
    return str(row)


def page_address(row: Model) -> str:
    """The address of a row's page in the current admin site; empty if there is none."""
    return page_of(type(row), quote(row.pk))


def link(row: Model | None, text: Any = None) -> SafeString | str:
    """A link to a row's page in the admin; only the text if the site has no such page."""
    if row is None:
        return NOTHING
    address = page_address(row)
    if not address:
        return format_html("{}", text or name_of(row))
    return format_html('<a href="{}">{}</a>', address, text or name_of(row))


def run_link(run: TaskRun) -> SafeString | str:
    """A link to a run's page: the title of its work and the work's name."""
    return link(run, named_work(run.work_name))


def of_bytes(count: int) -> str:
    """A number of bytes in a readable unit."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


# Columns: callables for list_display and fieldsets, labelled by the model's own field labels.


def instant_column(model: type[Model], field: str) -> Any:
    """A column of a time field."""
    return _column(model, field, instant)


def short_instant_column(model: type[Model], field: str) -> Any:
    """A column of a time field in a list."""
    return _column(model, field, short_instant)


def money_column(model: type[Model], field: str) -> Any:
    """A column of an amount of money."""
    return _column(model, field, money)


def quantity_column(model: type[Model], field: str) -> Any:
    """A column of a quantity."""
    return _column(model, field, quantity)


def link_column(model: type[Model], field: str) -> Any:
    """A column that links to the row to which a foreign key points."""
    return _column(model, field, lambda row: link(row, row and one_line(name_of(row))))


def store_code_column(model: type[Model]) -> Any:
    """A column for wide lists: the store's code without its name."""
    return _column(model, "store", lambda row: link(row, row and row.pk))


def json_column(model: type[Model], field: str) -> Any:
    """A field with JSON, indented; shown as stored if it is nested too deep to be decoded."""
    return _column(model, field, partial(json_block, key=field), read=value_of)


def personal_column(model: type[Model], field: str) -> Any:
    """A field with personal data, which is masked for those who may not see it: the setting
    ``personal_keys`` knows its name."""
    return _column(model, field, lambda value: shown(value, key=field) or NOTHING)


def computed_column(title: Any, show: Callable[[Any], Any], field: str = "") -> Any:
    """A column of an admin's class: what ``show`` makes of the row, or of this attribute of it."""

    @admin.display(description=title)
    def column(model_admin: Any, row: Any) -> Any:
        return show(getattr(row, field) if field else row)

    return column


def link_to_run(task_id: str) -> SafeString | str:
    """A link to the run with this task id; the id alone if there is no such run."""
    if not task_id:
        return NOTHING
    found = TaskRun.objects.filter(task_id=task_id).only("pk", "task_id").first()
    return link(found, found.task_id) if found else task_id


def state_column(title: Any, colours: Mapping[str, str]) -> Any:
    """A column of an admin's class: the row's state as a label of its colour."""
    return computed_column(title, lambda row: badge(colours[row.state], row.get_state_display()))


def state_and_attempts(colours: Mapping[str, str], row: Any) -> SafeString:
    """The row's state as a label, with the number of attempts if it took several."""
    label = badge(colours[row.state], row.get_state_display())
    return format_html("{} × {}", label, row.attempts) if row.attempts > 1 else label


def code(text: str) -> SafeString:
    """An id or a key, as it is written."""
    return format_html("<code>{}</code>", text)


def _column(
    model: type[Model],
    field: str,
    show: Callable[[Any], Any],
    read: Callable[[Any, str], Any] = getattr,
) -> Any:
    @admin.display(description=model._meta.get_field(field).verbose_name)  # type: ignore[union-attr]
    def column(row: Any) -> Any:
        return show(read(row, field))

    column.__name__ = f"{field}_display"
    return column


def value_of(row: Model, field: str) -> Any:
    """A field's value, or its text as a SafeString if it is nested too deep. Deferred fields are
    read as text, all fields of a row in one query."""
    if field not in row.get_deferred_fields():
        return getattr(row, field)
    text = _texts_of(row)[field]
    if text is None or depth_of(text) <= DEEPEST:
        return None if text is None else json.loads(text)
    return _as_written(text)


def is_readable(value: Any) -> bool:
    """Whether a value of :func:`value_of` was decoded; one that is nested too deep was not."""
    return not isinstance(value, SafeString)


def _texts_of(row: Any) -> dict[str, str | None]:
    if not hasattr(row, "_written"):
        deferred = row.get_deferred_fields()
        names = [each.name for each in row._meta.fields if isinstance(each, JSONField)]
        casts = {f"{name}_text": Cast(name, TextField()) for name in names if name in deferred}
        found = type(row)._base_manager.filter(pk=row.pk).values(**casts).get()
        row._written = {name.removesuffix("_text"): text for name, text in found.items()}
    texts: dict[str, str | None] = row._written
    return texts


def _as_written(text: str) -> SafeString:
    message = _("Nested %(depth)d levels deep. As it is written, its first characters:")
    return format_html(
        '<p><small>{}</small></p><pre class="neural-code">{}</pre>',
        message % {"depth": depth_of(text)},
        text[:SHOWN_CHARACTERS],
    )
