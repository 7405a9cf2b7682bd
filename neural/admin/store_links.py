"""Links on a store's page: first to pages about the store, then to lists of its rows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib.auth import get_permission_codename
from django.db.models import Model
from django.urls import NoReverseMatch
from django.utils.http import urlencode

from neural.kit.registry import Registry
from neural.kit.sites import address_in_admin
from neural.models import NeuralEvent, Store, TaskRun


@dataclass(frozen=True, kw_only=True)
class StoreLink:
    """A link on every store's page."""

    name: str
    label: Any
    """The text of the link; may be translated lazily."""
    address: Callable[[Store], str]
    is_page: bool = False
    """Whether the link leads to a page about the store, not to a list of its rows."""
    may_open: Callable[[Any], bool] = lambda user: True
    """Whether a user may open the page; nobody else is shown the link."""


STORE_LINKS: Registry[StoreLink] = Registry("link of stores")


def register_store_link(link: StoreLink) -> None:
    """Add a link to every store's page. Call it in the app's ``admin`` module."""
    STORE_LINKS.add(link.name, link)


def register_store_page(
    url_name: str, label: Any, *, may_open: Callable[[Any], bool] = lambda user: True
) -> None:
    """Add a link to an admin page whose address contains the store's ``code``, for the users who
    may open it (by default all)."""
    address = partial(_page, url_name)
    register_store_link(
        StoreLink(name=url_name, label=label, address=address, is_page=True, may_open=may_open)
    )


def register_rows_of_stores(model: type[Model]) -> None:
    """Add a link to the list of a model's rows, filtered by ``store``."""
    label = model._meta.verbose_name_plural
    register_store_link(
        StoreLink(
            name=model._meta.label_lower,
            label=label,
            address=partial(_list, model),
            may_open=may_view(model),
        )
    )


def may_view(model: type[Model]) -> Callable[[Any], bool]:
    """A condition for a link: the user may view the model's rows, as the admin decides it."""
    meta = model._meta
    names = [
        f"{meta.app_label}.{get_permission_codename(action, meta)}" for action in ("view", "change")
    ]

    def may_open(user: Any) -> bool:
        return any(user.has_perm(name) for name in names)

    return may_open


def store_links(store: Store, *, user: Any) -> list[tuple[str, Any]]:
    """Addresses and labels of the links whose pages exist on the current site and that this user
    may open."""
    pages_first = sorted(STORE_LINKS, key=lambda link: not link.is_page)
    found = [(_address(link, store), link.label) for link in pages_first if link.may_open(user)]
    return [(address, label) for address, label in found if address]


def _address(link: StoreLink, store: Store) -> str:
    try:
        return link.address(store)
    except NoReverseMatch:
        return ""


def _page(url_name: str, store: Store) -> str:
    return address_in_admin(url_name, store.pk)


def _list(model: type[Model], store: Store) -> str:
    meta = model._meta
    address = address_in_admin(f"{meta.app_label}_{meta.model_name}_changelist")
    return f"{address}?{urlencode({'store': store.pk})}"


register_rows_of_stores(NeuralEvent)
register_rows_of_stores(TaskRun)
