"""The section on an event's page: the order, the payment and other rows that are written for it."""

from collections.abc import Mapping
from typing import Any

from django.forms import Media
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from neural.admin.panels import Panel, register_panel
from neural.admin.run_page.contents import shown_rows
from neural.models import NeuralEvent
from neural.restaurant.run_pages import rows_of


def _context(request: HttpRequest, event: NeuralEvent) -> Mapping[str, Any] | None:
    found = shown_rows(rows_of(event), request.user)
    return {"written": found} if found else None


register_panel(
    Panel(
        name="written",
        model=NeuralEvent,
        title=_("What is written for it"),
        template="neural/run/written_panel.html",
        context=_context,
        media=Media(css={"all": ("neural/run_page.css",)}),
    )
)
