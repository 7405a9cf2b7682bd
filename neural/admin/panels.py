"""Panels: sections that other apps add to a row's page, with addresses of their own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin import ModelAdmin
from django.db.models import Model
from django.forms import Media
from django.http import HttpRequest
from django.urls import URLPattern

from neural.kit.registry import Registry

HTMX = Media(js=("neural/vendor/htmx-2.0.11.min.js",))


def _no_addresses(model_admin: ModelAdmin) -> Sequence[URLPattern]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A section at the end of each page of a model's rows."""

    name: str
    """The panel's name, and the id of its section."""
    model: type[Model]
    """Whose rows; ``Model`` itself for the rows of every model."""
    title: Any
    """The heading; may be translated lazily."""
    template: str
    """The template below the heading. Its context is in the variable ``panel``."""
    context: Callable[[HttpRequest, Any], Mapping[str, Any] | None]
    """Returns the context for a row that the user may see; None leaves the panel out."""
    addresses: Callable[[ModelAdmin], Sequence[URLPattern]] = _no_addresses
    """Returns URL patterns below the address of the model's list. Each view checks permissions
    itself."""
    media: Media = field(default_factory=Media)
    is_live: bool = False
    """Whether the template loads more by itself, with htmx."""
    is_first: bool = False
    """Whether it stands above all else, on pages that have such a place: that of a run."""


PANELS: Registry[Panel] = Registry("panel")


def register_panel(panel: Panel) -> None:
    """Add a panel to the pages of its model, which a :class:`~neural.admin.scope.NeuralAdmin`
    shows. Call it in the app's ``admin`` module."""
    PANELS.add(panel.name, panel)


def addresses_of(model_admin: ModelAdmin) -> list[URLPattern]:
    """The URL patterns of the model's panels."""
    return [each for panel in _of(model_admin.model) for each in panel.addresses(model_admin)]


def add_panels(page: dict[str, Any], request: HttpRequest, row: Model) -> None:
    """Put the panels of a row into the context of its page, for ``neural/change_form.html``."""
    found = [(panel, panel.context(request, row)) for panel in _of(type(row))]
    visible = [(panel, context) for panel, context in found if context is not None]
    page["panels"] = [{"of": panel, "context": context} for panel, context in visible]
    page["has_live_panel"] = any(panel.is_live for panel, _ in visible)
    own = [panel.media + HTMX if panel.is_live else panel.media for panel, _ in visible]
    page["media"] = sum(own, page["media"])


def _of(model: type[Model]) -> list[Panel]:
    return [panel for panel in PANELS if panel.model in (model, Model)]
