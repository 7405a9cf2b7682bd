"""Tabs: a row of links at the top of every page, and a second row with the pages of the open tab.

The core and each app add their pages (:func:`register_tab`) to one of the :data:`SECTIONS`. A user
sees those that the admin site has and that the user may open; a section without any is not shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.contrib.admin.exceptions import NotRegistered
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.kit.registry import Registry
from neural.kit.sites import address_if_there, on_site

SECTIONS = {
    "now": pgettext_lazy("section", "Now"),
    "work": pgettext_lazy("section", "Work"),
    "orders": pgettext_lazy("section", "Orders"),
    "stores": pgettext_lazy("section", "Stores"),
    "chain": pgettext_lazy("section", "Chain"),
}
"""The tabs of the upper row, from left to right."""


@dataclass(frozen=True, kw_only=True)
class Tab:
    """A page in the lower row of a section.

    ``model`` (``app_label.model_name``) says whose list it is: the tab is shown where that model is
    installed and registered, to users who may view it. ``label`` is the list's own name if it is
    left out. ``pages`` are the names of its address if it is not the list's: the first one that the
    site has is taken. ``also`` names models, or whole apps (``app_label``), whose pages belong to
    the tab and that have none of their own. Tabs stand in the order of ``place``.
    """

    section: str
    place: int
    model: str = ""
    label: Any = ""
    pages: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Link:
    """A tab as one user sees it; that of the open section has the ``tabs`` of the lower row."""

    label: Any
    address: str
    is_current: bool
    tabs: tuple["Link", ...] = ()


TABS: Registry[Tab] = Registry("tab")


def register_tab(section: str, model: str = "", **more: Any) -> None:
    """Add the :class:`Tab` of these fields. Call it in the app's ``admin`` module."""
    tab = Tab(section=section, model=model, **more)
    TABS.add(tab.model or tab.pages[0], tab)


def sections_of(app_list: list[dict[str, Any]], shown: str) -> list[Link]:
    """The two rows for a page of the model ``shown`` (``app_label.model_name``).

    ``app_list`` is Django's list of what the user may open on this admin site.
    """
    of_section = _links(app_list, shown)
    open_section = next(
        name for name, tabs in of_section.items() if any(each.is_current for each in tabs)
    )
    return [
        Link(
            label=label,
            address=tabs[0].address,
            is_current=name == open_section,
            tabs=tuple(tabs) if name == open_section else (),
        )
        for name, label in SECTIONS.items()
        if (tabs := of_section.get(name))
    ]


def page_named(text: str, app_list: list[dict[str, Any]]) -> str:
    """The address of the tab with this label, in any case of letters; empty if there is none."""
    links = (each for tabs in _links(app_list, "").values() for each in tabs)
    wanted = text.casefold()
    return next((each.address for each in links if str(each.label).casefold() == wanted), "")


def _links(app_list: list[dict[str, Any]], shown: str) -> dict[str, list[Link]]:
    """The tabs of each section; one of them is current."""
    lists = {
        each["model"]._meta.label_lower: each
        for app in app_list
        for each in app["models"]
        if each["admin_url"]
    }
    visible = [each for each in TABS if not each.model or each.model in lists]
    visible.sort(key=lambda tab: tab.place)
    wanted = (shown, shown.partition(".")[0])
    fits = (tab for each in wanted for tab in visible if each in (tab.model, *tab.also))
    current = next(fits, visible[-1])
    of_section: dict[str, list[Link]] = {}
    for tab in visible:
        link = _link(tab, lists.get(tab.model, {}), is_current=tab is current)
        of_section.setdefault(tab.section, []).append(link)
    return of_section


def list_of(label: str, request: HttpRequest, site: AdminSite) -> str:
    """The address of the list of a model (``app_label.model_name``); empty if the site has none, or
    the user may not open it."""
    try:
        model = apps.get_model(label)
        may_view = site.get_model_admin(model).has_view_or_change_permission(request)
    except (LookupError, NotRegistered):
        return ""
    with on_site(site.name):
        return address_if_there(f"{label.replace('.', '_')}_changelist") if may_view else ""


def _link(tab: Tab, listed: Mapping[str, Any], *, is_current: bool) -> Link:
    addresses = filter(None, map(address_if_there, tab.pages))
    address = next(addresses, listed.get("admin_url", ""))
    return Link(label=tab.label or listed["name"], address=address, is_current=is_current)


register_tab("work", "neural.taskrun", place=10, also=("django_celery_results",))
register_tab("work", "neural.batch", place=30)
register_tab("work", "neural.bulkaction", place=40)
register_tab("work", "neural.workerprocess", place=70)
register_tab("orders", "neural.refusedevent", place=40)
register_tab("orders", "neural.neuralevent", place=50)
register_tab("stores", "neural.store", place=10)
register_tab("chain", "neural.auditentry", place=10, label=_("Audit"))
# Django's own index; on a ConsoleSite, whose index is the home, it has another address. It comes
# last, and is current on the pages of every model that has no tab.
register_tab("chain", place=1000, label=_("All tables"), pages=("all_tables", "index"))
