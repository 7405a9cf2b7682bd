"""The frame of the console's pages: what ``neural/monitoring/console.html`` needs."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.forms import Media
from django.http import HttpRequest

from neural.admin.panels import HTMX
from neural.admin.tabs import tabs_of

CONSOLE = Media(css={"all": ("neural/admin.css", "neural/console.css")}, js=("neural/console.js",))


def page_context(
    model_admin: ModelAdmin, request: HttpRequest, *, tab: str, title: Any, **more: Any
) -> dict[str, Any]:
    """The context of a console page: Django's own, the tabs, style sheets and scripts.

    ``tab`` names the tab whose page it is. The page's template extends
    ``neural/monitoring/console.html`` and fills the block ``content``. A part that refreshes by
    itself is an element with an id and ``hx-get="…" hx-trigger="console" hx-swap="outerHTML"
    data-every="10"``; its view answers htmx with that element alone.
    """
    site = model_admin.admin_site
    return {
        **site.each_context(request),
        "is_nav_sidebar_enabled": False,
        "opts": model_admin.opts,
        "title": title,
        "media": model_admin.media + CONSOLE + HTMX,
        "console_tabs": tabs_of(request, site, current=tab),
        **more,
    }
