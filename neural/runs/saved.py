"""Saved views: searches of runs under a name, one's own and those that others show to everybody."""

from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from neural.audit import record_user
from neural.kit.errors import NeuralError
from neural.models import SavedView, Store
from neural.models.store import sees_every_store
from neural.runs.query import RunQuery

MOST_VIEWS = 100
"""The most views of one person."""
MOST_SHARED = 50
"""The most views of others that a person is shown, the oldest first."""


class ViewRefused(NeuralError):
    """A view cannot be saved, for the reason that the error says."""


def views_of(user: Any) -> list[SavedView]:
    """The user's own views and those that are shown to everybody, by name. A view of a store that
    the user may not see is left out: its code is in it."""
    views = SavedView.objects.select_related("owner").order_by("pk")
    own = list(views.filter(owner=user.pk)[:MOST_VIEWS])
    shared = list(views.filter(shared=True).exclude(owner=user.pk)[:MOST_SHARED])
    return sorted(own + _seen(shared, user), key=lambda view: (view.name, view.pk))


def _seen(views: list[SavedView], user: Any) -> list[SavedView]:
    """Those that name no store, or one of the user's."""
    if sees_every_store(user):
        return views
    own = Store.objects.for_user(user).values_list("code", "name")
    known = {text for each in own for text in each}
    return [view for view in views if view.query.get("store", "") in {"", *known}]


@transaction.atomic
def save_view(*, user: Any, name: str, query: RunQuery, shared: bool) -> SavedView:
    """Save a search under a name; the user's view of this name gets another search. Raises
    :class:`ViewRefused` if the user has too many."""
    own = SavedView.objects.filter(owner=user.pk)
    if own.count() >= MOST_VIEWS and not own.filter(name=name).exists():
        raise ViewRefused(
            _("You have %(most)d views already: delete one first.") % {"most": MOST_VIEWS}
        )
    view, _made = SavedView.objects.update_or_create(
        owner_id=user.pk, name=name, defaults={"query": query.params(), "shared": shared}
    )
    _record("saved_view.save", view, user)
    return view


@transaction.atomic
def change_view(*, view: SavedView, user: Any, name: str, shared: bool) -> None:
    """Give the user's own view another name, show it to everybody or to nobody else. Raises
    :class:`ViewRefused` if another view has the name."""
    if SavedView.objects.filter(~Q(pk=view.pk), owner=user.pk, name=name).exists():
        raise ViewRefused(_("You have a view “%(name)s” already.") % {"name": name})
    view.name, view.shared = name, shared
    SavedView.objects.filter(pk=view.pk).update(name=name, shared=shared)
    _record("saved_view.change", view, user)


@transaction.atomic
def delete_view(*, view: SavedView, user: Any) -> None:
    """Delete the user's own view."""
    _record("saved_view.delete", view, user)
    SavedView.objects.filter(pk=view.pk).delete()


def _record(action: str, view: SavedView, user: Any) -> None:
    record_user(
        user,
        action=action,
        rows=[view],
        query=view.query,
        details={"name": view.name, "shared": view.shared},
    )
