"""A registry: things by name, each name once."""

import pytest

from neural.kit.errors import PermanentError
from neural.kit.registry import AlreadyRegistered, NotRegistered, Registry
from tests.registries import emptied, forget


class WineUnknown(PermanentError):
    """What this registry says of a name that it does not have."""


@pytest.fixture
def wines() -> Registry[str]:
    registry: Registry[str] = Registry("wine", unknown=WineUnknown)
    registry.add("red", "Merlot")
    registry.add("green", "Veltliner")
    return registry


def test_a_name_that_is_taken_is_refused_with_what_to_do_and_the_first_one_stays(wines):
    with pytest.raises(AlreadyRegistered, match="wine 'red' is registered already: give one"):
        wines.add("red", "Malbec")

    assert wines.get("red") == "Merlot"


def test_the_same_thing_again_is_no_news(wines):
    """A test that changes INSTALLED_APPS makes Django's applications ready anew."""
    wines.add("red", wines.get("red"))

    assert wines.names() == ["green", "red"]


def test_an_unknown_name_is_told_with_those_that_are_known(wines):
    with pytest.raises(WineUnknown, match=r"'white' is not registered; known: green, red$"):
        wines.get("white")

    assert wines.find("white") is None


def test_where_nothing_is_known_that_is_told():
    with pytest.raises(NotRegistered, match="duty 'x' is not registered; known: none"):
        Registry("duty").get("x")


def test_things_come_as_they_were_added_or_by_name(wines):
    assert list(wines) == ["Merlot", "Veltliner"]
    assert wines.items() == [("red", "Merlot"), ("green", "Veltliner")]
    assert wines.by_name() == ["Veltliner", "Merlot"]
    assert wines.names() == ["green", "red"]
    assert "red" in wines
    assert "white" not in wines


def test_emptied_for_a_test_it_has_only_what_the_test_adds_and_then_what_was_before(wines):
    with emptied(wines):
        assert not wines
        wines.add("red", "Malbec")
        assert list(wines) == ["Malbec"]

    assert wines.get("red") == "Merlot"
    assert len(wines) == 2


def test_a_thing_may_come_while_others_are_gone_through(wines):
    for thing in wines:
        wines.add(f"another {thing}", thing)

    assert len(wines) == 4


def test_whoever_keeps_lookups_is_told_of_every_change():
    changes = []
    registry: Registry[int] = Registry("number", changed=lambda: changes.append(1))

    registry.add("one", 1)
    forget(registry, "one")
    with emptied(registry):
        pass

    assert len(changes) == 4
