"""URLs of pages within the admin site that is being shown.

A project may have several admin sites, each at its own URL. ``reverse()`` finds the page of the
right site if it gets the site's name. The code of columns and search results does not have the
request that knows the name, so a context variable keeps the name while a page is rendered.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlencode

from django.db.models import Model
from django.urls import NoReverseMatch, reverse

_shown: ContextVar[str | None] = ContextVar("admin site", default=None)


@contextmanager
def on_site(name: str) -> Iterator[None]:
    """Within this block, URLs point into the admin site of this name."""
    before = _shown.set(name)
    try:
        yield
    finally:
        _shown.reset(before)


def address_in_admin(page: str, *args: Any) -> str:
    """The URL of a page (``neural_taskrun_changelist``) in the admin site that is being shown.

    Outside of :func:`on_site` it is that of the default site. Raises Django's ``NoReverseMatch`` if
    the site has no such page.
    """
    return reverse(f"admin:{page}", args=args, current_app=_shown.get())


def address_if_there(page: str, *args: Any) -> str:
    """The same URL; empty if the site has no such page."""
    try:
        return address_in_admin(page, *args)
    except NoReverseMatch:
        return ""


def list_if_there(page: str, rows: Mapping[str, str]) -> str:
    """The URL of a list with these parameters, which limit it to some rows; empty if the site has
    no such list."""
    address = address_if_there(page)
    return f"{address}?{urlencode(rows)}" if address and rows else address


def page_of(model: type[Model], pk: Any) -> str:
    """The URL of a row's page in the admin; empty if there is no such page."""
    return address_if_there(f"{model._meta.app_label}_{model._meta.model_name}_change", pk)
