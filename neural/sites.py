"""Which admin site is being shown, and addresses within it.

A project may have several admin sites, each with its own address. Django finds the page of the
right one if it is told the site's name; columns and search results are made far from the request
that knows it, so the name is kept in the context while a page is made.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db.models import Model
from django.urls import NoReverseMatch, reverse

_shown: ContextVar[str | None] = ContextVar("admin site", default=None)


@contextmanager
def on_site(name: str) -> Iterator[None]:
    """Addresses made in this block are those of the admin site of this name."""
    before = _shown.set(name)
    try:
        yield
    finally:
        _shown.reset(before)


def address_in_admin(page: str, *args: Any) -> str:
    """The address of a page (``neural_taskrun_changelist``) in the site that is being shown, in
    the default one elsewhere. Raises Django's ``NoReverseMatch`` if the site has no such page."""
    return reverse(f"admin:{page}", args=args, current_app=_shown.get())


def page_of(model: type[Model], pk: Any) -> str:
    """Where a row is seen in the admin; empty where there is none."""
    try:
        return address_in_admin(f"{model._meta.app_label}_{model._meta.model_name}_change", pk)
    except NoReverseMatch:
        return ""
