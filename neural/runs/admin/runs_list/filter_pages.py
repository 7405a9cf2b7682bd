"""Pages and acts of what a filter of runs names: apps add them for filters of their own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from neural.kit.registry import Registry


@dataclass(frozen=True)
class FilterPage:
    """The page of what a filter's value names, as far as the user may see it."""

    address: str
    acts: Sequence[tuple[Any, str]] = ()
    """What the user may do about it: labels, and addresses that take a POST with ``next``."""


FindPage: TypeAlias = Callable[[Any, str], FilterPage | None]

FILTER_PAGES: Registry[FindPage] = Registry("page of what a filter of runs names")


def register_filter_page(name: str, find: FindPage) -> None:
    """Find the page of what a filter's value names by a function of a user and an accepted value.
    It returns None for a value that names several things, or none that the user may see. Call this
    in the app's ``admin`` module."""
    FILTER_PAGES.add(name, find)


def filter_page(name: str, value: str, user: Any) -> FilterPage | None:
    """The page of what the value of a filter names."""
    find = FILTER_PAGES.find(name)
    return find(user, value) if find else None
