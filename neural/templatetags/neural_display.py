"""Template filters that display values as the admin does."""

from contextlib import nullcontext
from dataclasses import dataclass
from itertools import compress
from operator import not_
from typing import Any

from django import template
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from neural.admin import display
from neural.admin.look_up import PAGE, SUGGESTIONS, kinds_for
from neural.admin.tabs import sections_of
from neural.kit.sites import address_if_there, on_site
from neural.ledger.work import work_title
from neural.models import TaskRun
from neural.personal.redacting import shown
from neural.runs.models.attempt import Attempt

register = template.Library()
register.filter("instant", display.instant)
register.filter("duration", display.duration)
register.filter("short_instant", display.short_instant)
register.filter("of_bytes", display.of_bytes)
register.filter("row_link", display.link)
register.filter("run_link", display.run_link)
register.filter("run_name", display.name_of)
register.filter("row_address", display.page_address)
register.filter("named_work", display.named_work)
register.filter("work_title", work_title)


@register.filter
def personal(value: Any, key: str = "") -> Any:
    """The value as the user may see it; ``key`` says under which key or field it stands."""
    return shown(value, key=key)


@register.simple_tag
def run_badge(run: TaskRun) -> SafeString:
    return display.badge(run.state, run.get_state_display())


@register.simple_tag
def attempt_badge(entry: Attempt) -> SafeString:
    """A badge with the outcome of an attempt, or with 'running' if it has none."""
    if entry.outcome is None:
        return display.badge("running", _("under way"))
    return display.badge(entry.outcome.value, entry.outcome.label)


@dataclass(frozen=True)
class Fact:
    """A field of a row that is not edited."""

    name: str
    label: Any
    shown: Any


WIDE = ("<pre", "<ul", "<table")


@register.simple_tag
def row_facts(adminform: Any) -> dict[str, Any]:
    """The fields of a row that have a value, in ``groups`` with their fieldsets.
    ``documents`` are those that need more room, like JSON."""
    groups: list[Any] = []
    documents: list[Fact] = []
    for fieldset in adminform:
        found = [_fact(field) for line in fieldset for field in line]
        found = [each for each in found if each.shown != display.NOTHING]
        is_wide = [any(tag in str(each.shown) for tag in WIDE) for each in found]
        documents += compress(found, is_wide)
        if facts := list(compress(found, map(not_, is_wide))):
            groups.append((fieldset, facts))
    return {"groups": groups, "documents": documents}


def _fact(field: Any) -> Fact:
    return Fact(field.field["name"], field.field["label"], field.contents())


@register.inclusion_tag("neural/tabs.html", takes_context=True)
def neural_tabs(context: Any) -> dict[str, Any]:
    """The tabs and the box of the look-up, for the header of every page.

    Lit is the tab of the page's model, or of the one that ``tab`` in its context names. The box is
    left out where the site has no such page, and for who may look up nothing.
    """
    if not context.get("has_permission"):
        return {}
    request, opts = context["request"], context.get("opts")
    shown_model = context.get("tab") or (opts.label_lower if opts else "")
    # Django's own views name the site of a page in the request, ours where they render it.
    site = getattr(request, "current_app", None)
    with on_site(site) if site else nullcontext():
        sections = sections_of(context["available_apps"], shown_model)
        address, suggestions = map(address_if_there, (PAGE, SUGGESTIONS))
    may_search = request.user.has_perm("neural_retrieval.view_search")
    return {
        "sections": sections,
        "address": address,
        "suggestions": suggestions if may_search else "",
        "kinds": kinds_for(request.user),
        "typed": request.GET.get("q", "") if request.path == address else "",
    }
