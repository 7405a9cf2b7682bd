"""Every address, by every method, as everybody: who may not look sees nothing, who may not act does
nothing, and nobody makes a page fail.

The walk finds addresses, verbs and actions by itself. What it cannot know stands in tables: VALUES
(tests/unit/pages/every_address.py) and ACTS (tests/unit/pages/address_acts.py). A new address that
needs to be in one of them, and is not, fails with a sentence that says so.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group
from django.test import Client
from django.urls import path

from neural.groups.table import LADDER, Role, differences, make
from neural.models.store import sees_every_store
from tests.unit.admin import admin_rows
from tests.unit.admin import admin_world as world
from tests.unit.pages import marked_rows
from tests.unit.pages.address_acts import Act, ActUnknown, acts, must_not_act
from tests.unit.pages.address_walk import OTHERS, SAFE, Outcome, Walker
from tests.unit.pages.every_address import Address, Finder, ParameterUnknown
from tests.unit.pages.marked_rows import MARK

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.usefixtures("fake_broker", "_quietly"),
    pytest.mark.takes(seconds=10),
]

OPEN = frozenset(
    (
        *("login", "openapi-json", "neural_api_docs"),
        *("neural_healthz", "neural_livez", "neural_readyz"),
    )
)
"""Addresses at which everybody may look: they show nothing of anybody."""
OWN = frozenset(
    (
        *("index", "console_home", "all_tables", "jsi18n"),
        *("password_change", "password_change_done", "logout"),
    )
)
"""Addresses at which everybody who may log in may look: what they show depends on permissions."""
ANOTHER = "S9"
"""A store that comes after THEIRS, so that THEIRS stays the first row."""
STRANGERS = ("anonymous", "without permissions", "manager of another store", "manager of no store")
"""Who sees nothing of the store THEIRS."""
MEMBERS = (*LADDER, "superuser")
WHO = (*STRANGERS, *MEMBERS)
ON_EACH_DATABASE = ("manager of another store", "superuser")
"""Whoever sees all rows and whoever sees a store's send all kinds of statements between them."""


@dataclass
class World:
    """Rows, one of each kind and those of THEIRS with a mark; and users."""

    root: Any

    @cached_property
    def addresses(self) -> list[Address]:
        return Finder().addresses()

    @cached_property
    def acts(self) -> list[Act]:
        return list(acts(self.addresses, self.root))

    def user(self, who: str) -> Any:
        if who == "anonymous":
            return AnonymousUser()
        if who == "superuser":
            return self.root
        user = get_user_model().objects.create_user(who, is_staff=True)
        if who in LADDER:
            user.groups.set(Group.objects.filter(name__in=[who, Role.EVERY_STORE]))
        elif who.startswith(Role.MANAGER):
            user.groups.set(Group.objects.filter(name=Role.MANAGER))
            user.neural_stores.set([world.store(ANOTHER)] if "another" in who else [])
        return get_user_model().objects.get(pk=user.pk)


@pytest.fixture
def _quietly() -> Iterator[None]:
    """Thousands of refusals are no news."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def rows() -> World:
    for model in admin_rows.registered():
        admin_rows.row_of(model)
    marked_rows.mark_rows()
    make(differences(), exact=False)
    return World(get_user_model().objects.create_superuser("root"))


def walker(user: Any) -> Walker:
    failing = {"raise_request_exception": False}
    if not user.is_authenticated:
        return Walker(Client(**failing))
    return Walker(world.logged_in(user, **failing))


_done_by_root: dict[str, bool] = {}
"""What each act does if a superuser does it, by its label: it is the same in every database."""


def done_by_root(found: World) -> dict[str, bool]:
    """Which acts have an effect at all, so that a refusal is told from a form that is wrong."""
    if not _done_by_root:
        root = walker(found.root)
        for act in found.acts:
            outcome = root.call("POST", act.path, act.data)
            _done_by_root[act.label] = bool(outcome.written)
    return _done_by_root


# Looking


@pytest.mark.parametrize(
    "who",
    [pytest.param(who, marks=() if who in ON_EACH_DATABASE else pytest.mark.once) for who in WHO],
)
def test_nothing_is_shown_to_who_may_not_see_it_and_looking_changes_nothing(
    rows: World, who: str
) -> None:
    user = rows.user(who)
    caller = walker(user)

    wrong = [said for address in rows.addresses for said in wrong_at(address, who, caller)]

    assert wrong == []


def wrong_at(address: Address, who: str, caller: Walker) -> Iterator[str]:
    """What is wrong with an address by any method but POST. Where GET is refused, HEAD is, too."""
    shown = caller.call("GET", address.path)
    yield from wrong_with(who, "GET", address, shown)
    for method in (*(["HEAD"] if shown.status < 300 else []), *OTHERS):
        outcome = caller.call(method, address.path)
        yield from wrong_with(who, method, address, outcome)
        if method == "HEAD" and outcome.status != shown.status:
            yield f"HEAD {address} as {who}: {outcome.status}, but GET is answered {shown.status}"


def wrong_with(who: str, method: str, address: Address, outcome: Outcome) -> Iterator[str]:
    name = f"{method} {address} as {who}"
    if outcome.status >= 500:
        yield f"{name}: fails with {outcome.status}"
    if outcome.written:
        yield f"{name}: writes rows of {', '.join(sorted(outcome.written))}"
    if who in STRANGERS and MARK in outcome.body and MARK not in address.path:
        yield f"{name}: shows a row of a store that is not theirs: {_around(outcome.body)}"
    if method in OTHERS and outcome.status < 300 and address.pattern != "login":
        yield f"{name}: is answered {outcome.status}; 405 was expected"
    open_to = {"anonymous": OPEN, "without permissions": OPEN | OWN}.get(who)
    is_shown = method in SAFE and outcome.status < 300
    if open_to is not None and is_shown and address.pattern not in open_to:
        yield f"{name}: is shown ({outcome.status})"


def _around(body: str) -> str:
    at = body.index(MARK)
    return " ".join(body[max(0, at - 60) : at + 60].split())


def test_a_superuser_sees_the_marked_rows_so_that_not_to_see_them_means_something(
    rows: World,
) -> None:
    caller = walker(rows.root)
    unseen = {*marked_rows.marked_models()}
    for address in rows.addresses:
        if address.model in unseen and MARK in caller.call("GET", address.path).body:
            unseen.remove(address.model)

    assert {model._meta.label for model in unseen} <= marked_rows.UNSEEN


# Acting


@pytest.mark.parametrize(
    "several",
    [
        pytest.param(STRANGERS, id="strangers", marks=pytest.mark.once),
        pytest.param(MEMBERS, id="members"),
    ],
)
def test_an_act_has_its_effect_with_its_permission_and_never_without(
    rows: World, several: tuple[str, ...]
) -> None:
    assert [said for who in several for said in wrongly_done(rows, who)] == []


def wrongly_done(rows: World, who: str) -> Iterator[str]:
    """What is wrong with what this user's POSTs do."""
    user, effects = rows.user(who), done_by_root(rows)
    caller = walker(user)
    for act in rows.acts:
        outcome, permitted = caller.call("POST", act.path, act.data), may(user, act)
        name = f"POST {act.path} ({act.label}) as {who}"
        if outcome.status >= 500:
            yield f"{name}: fails with {outcome.status}"
        if who in STRANGERS and MARK in outcome.body:
            yield f"{name}: shows a row of a store that is not theirs"
        if outcome.written and not permitted:
            yield f"{name}: writes {sorted(outcome.written)} without {act.permission}"
        if permitted and effects[act.label] and not outcome.written:
            yield f"{name}: does nothing with {act.permission} ({outcome.status})"


def may(user: Any, act: Act) -> bool:
    """Whether it is this user's to do: rows are of THEIRS or of the whole chain."""
    if not user.is_authenticated:
        return False
    is_theirs = act.of_any_store or sees_every_store(user)
    return bool(not act.permission or (user.has_perm(act.permission) and is_theirs))


def test_most_acts_have_an_effect_so_that_a_refusal_means_something(rows: World) -> None:
    effects = done_by_root(rows)

    done = sorted(label for label, has_effect in effects.items() if has_effect)

    assert len(done) >= 50, done


# That the walk finds what is new


class Added:
    """URL patterns with one more address."""

    def __init__(self, route: str, view: Any) -> None:
        from zhilian.urls import urlpatterns

        self.urlpatterns = [path(route, view, name="added"), *urlpatterns]


def test_an_address_with_an_unknown_parameter_says_where_to_add_it(rows: World, settings) -> None:
    settings.ROOT_URLCONF = Added("menus/<int:menu_number>/", lambda request, menu_number: None)

    with pytest.raises(ParameterUnknown, match=r"<menu_number>: add a line to VALUES"):
        Finder().addresses()


def test_an_address_that_takes_a_post_says_where_to_add_it(rows: World, settings) -> None:
    from django.http import HttpResponse

    settings.ROOT_URLCONF = Added("menus/", lambda request: HttpResponse("done"))

    with pytest.raises(ActUnknown, match=r"/menus/ \(added\) answers POST with 200"):
        must_not_act(Address("/menus/", "added"), walker(rows.root))


def test_an_address_that_shows_a_foreign_row_or_writes_is_told() -> None:
    seen = Outcome(200, f"<p>{MARK}</p>", frozenset({"neural_store"}), "")

    said = list(wrong_with("anonymous", "GET", Address("/menus/", "added"), seen))

    assert [each.partition("as anonymous: ")[2] for each in said] == [
        "writes rows of neural_store",
        "shows a row of a store that is not theirs: <p>only-theirs</p>",
        "is shown (200)",
    ]
