"""Filters of runs that apps add: by what they know about runs, such as the error group."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from neural.kit.keyset.walks import Walk
from neural.kit.registry import Registry


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """One more parameter of :class:`neural.runs.query.RunQuery`.

    ``condition(user, value)`` limits runs to those that the value means, served by an index of the
    app's own (for example ``Q(pk__in=…)`` of few keys, or a subquery that begins with an index).
    ``check(value)`` returns why a value is not accepted, as a sentence; empty if it is.
    ``shown(user, value)`` names the value for people; empty if the user may not see it.
    ``only_failed`` says that only runs with an error can have a value: the index of these serves.
    ``keys(user, value, most)`` returns the primary keys of all runs of the value in the user's
    stores if they are at most ``most``, else None: a page of few runs reads only these.
    ``walk(value, state)`` is an index of runs that has them, in one state or (empty) in any.
    """

    name: str
    label: Any
    condition: Callable[[Any, str], Q]
    check: Callable[[str], str]
    shown: Callable[[Any, str], str]
    only_failed: bool = False
    keys: Callable[[Any, str, int], list[int] | None] | None = None
    walk: Callable[[str, str], Walk] | None = None


RUN_FILTERS: Registry[RunFilter] = Registry("filter of runs")


def register_run_filter(added: RunFilter) -> None:
    """Add a filter. Call it in the app's ``ready()``."""
    RUN_FILTERS.add(added.name, added)


@dataclass(frozen=True, kw_only=True)
class RunFinder:
    """How an app finds the runs that a typed text means: an order's number, a payment.

    ``find(user, text)`` returns primary keys of events, at most ``most``; it reads by an index, and
    only rows of the user's stores.
    """

    name: str
    label: Any
    find: Callable[[Any, str, int], list[int]]


RUN_FINDERS: Registry[RunFinder] = Registry("finder of runs")


def register_run_finder(added: RunFinder) -> None:
    """Add a finder. Call it in the app's ``ready()``."""
    RUN_FINDERS.add(added.name, added)
