"""Tabs: the pages that people open most, as a row of links at the top of the console's pages.

The core and each app add their own (:func:`register_tab`). A user sees the tabs of pages that the
admin site has and that the user may open.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from neural.kit.registry import Registry

Counted = Callable[[Any], int]


def _nothing(user: Any) -> int:
    return 0


@dataclass(frozen=True, kw_only=True)
class Tab:
    """A link to a page.

    ``model`` (``app_label.model_name``) says whose list it is: the tab is shown where that model is
    installed and registered, to users who may view it. ``pages`` are the names of its address
    (``neural_taskrun_changelist`` if left out); the first one that the site has is taken.
    ``counted(user)`` is a number that waits there; 0 shows none. It must be cheap. Tabs stand in
    the order of ``place``: the home is 10, all tables 130.
    """

    name: str
    label: Any
    model: str = ""
    pages: tuple[str, ...] = ()
    counted: Counted = _nothing
    place: int = 125


@dataclass(frozen=True, kw_only=True)
class TabLink:
    """A tab of one page of one user."""

    name: str
    label: Any
    address: str
    number: int
    is_current: bool


TABS: Registry[Tab] = Registry("tab")


def register_tab(tab: Tab) -> None:
    """Add a tab. Call it in the app's ``admin`` module or in its ``ready()``."""
    TABS.add(tab.name, tab)


def tabs_of(request: HttpRequest, site: AdminSite, *, current: str = "") -> list[TabLink]:
    """The tabs that this user sees on this admin site, from left to right.

    ``current`` is the name of the tab whose page is shown; if it is empty, the tab whose address is
    the longest beginning of the request's address is the current one.
    """
    found = [(tab, _address(tab, request, site)) for tab in sorted(TABS, key=lambda tab: tab.place)]
    visible = [(tab, address) for tab, address in found if address]
    current = current or _opened(request.path, visible)
    return [
        TabLink(
            name=tab.name,
            label=tab.label,
            address=address,
            number=tab.counted(request.user),
            is_current=tab.name == current,
        )
        for tab, address in visible
    ]


def tabs_under(name: str, request: HttpRequest, site: AdminSite) -> dict[str, Any]:
    """The tabs, for the context of a page that belongs to one of them, if the site shows tabs."""
    if "console_tabs" not in site.each_context(request):
        return {}
    return {"console_tabs": tabs_of(request, site, current=name)}


def _opened(path: str, shown: list[tuple[Tab, str]]) -> str:
    begun = [(len(address), tab.name) for tab, address in shown if path.startswith(address)]
    return max(begun, default=(0, ""))[1]


def _address(tab: Tab, request: HttpRequest, site: AdminSite) -> str:
    """The tab's address; empty if the site has no such page or the user may not open it."""
    if not tab.pages:
        return list_of(tab.model, request, site)
    if tab.model and not _may_view(tab.model, request, site):
        return ""
    return next(filter(None, (_reversed(page, site) for page in tab.pages)), "")


def list_of(label: str, request: HttpRequest, site: AdminSite) -> str:
    """The address of the list of a model (``app_label.model_name``); empty if the site has none, or
    the user may not open it."""
    if not _may_view(label, request, site):
        return ""
    return _reversed(f"{label.replace('.', '_')}_changelist", site)


def _may_view(label: str, request: HttpRequest, site: AdminSite) -> bool:
    try:
        model = apps.get_model(label)
    except LookupError:
        return False
    if not site.is_registered(model):
        return False
    return bool(site.get_model_admin(model).has_view_or_change_permission(request))


def _reversed(page: str, site: AdminSite) -> str:
    try:
        return reverse(f"admin:{page}", current_app=site.name)
    except NoReverseMatch:
        return ""


register_tab(Tab(name="events", label=_("Events"), model="neural.neuralevent", place=20))
register_tab(Tab(name="runs", label=_("Runs"), model="neural.taskrun", place=30))
register_tab(Tab(name="workers", label=_("Workers"), model="neural.workerprocess", place=60))
register_tab(Tab(name="stores", label=_("Stores"), model="neural.store", place=110))
