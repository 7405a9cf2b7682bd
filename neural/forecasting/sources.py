"""The interface to the app that keeps sales, from which training and forecasting read them.

This app keeps no sales of its own. The installed app that does registers a :class:`DemandSource` in
its module ``neural_demand``, which is imported when sales are first needed.
"""

import datetime as dt
from collections.abc import Iterable
from functools import cache
from typing import Any, Protocol, TypeAlias, runtime_checkable

from django.db.models import Exists, QuerySet
from django.utils.module_loading import autodiscover_modules

from neural.kit.errors import NeuralError, PermanentError
from neural.models import Store

MODULE = "neural_demand"

SoldRow: TypeAlias = tuple[dt.date, str, str, float]
"""Business day, code of the dish, its name, portions."""


class NoDemandSource(PermanentError):
    """No installed app registered a demand source."""


class DemandSourceAlreadyRegistered(NeuralError):
    """Two apps registered a demand source."""


class DemandSource(Protocol):
    """The queries that an app with sales must answer. Days are stores' business days."""

    def sales(self, store: Store, *, first: dt.date, until: dt.date) -> Iterable[SoldRow]:
        """The store's sales from ``first`` to the day before ``until``, by day and dish. A day
        without sales has no row, or rows of zero."""
        ...

    def reports(
        self, store: Store, *, first: dt.date, until: dt.date
    ) -> Iterable[tuple[dt.date, Any]]:
        """Pairs of a day and the other facts reported of it (docs/explanation/learning.md), as
        unchecked JSON; the newest report comes last."""
        ...

    def selling_stores(
        self, *, first: dt.date, last: dt.date, least_days: int = 1
    ) -> QuerySet[Any, Any]:
        """The codes of the stores that sold something on at least ``least_days`` days from
        ``first`` to ``last``, as a query for ``pk__in``."""
        ...

    def ever_sold(self) -> Exists:
        """A condition for a query of stores: those that have ever sold anything."""
        ...

    def last_day_of(self, store: Store) -> dt.date | None:
        """The last day on which the store sold something; None if there is none."""
        ...

    def last_days(self) -> Iterable[dt.date]:
        """The last day with sales of each store that has any, the latest first."""
        ...


@runtime_checkable
class TakesConfirmations(Protocol):
    """A verb that a demand source may have, too. Without it, a day in doubt is settled only by
    reporting it anew."""

    def confirm(self, store: Store, *, day: dt.date, dish: str, by: str) -> None:
        """Report of this day that a person has confirmed the dish's quantity."""
        ...


_registered: list[DemandSource] = []


def register_demand_source(source: DemandSource) -> None:
    """Register the source of sales. Raises :class:`DemandSourceAlreadyRegistered` for a second."""
    if _registered:
        raise DemandSourceAlreadyRegistered(
            f"sales come from {type(_registered[0]).__qualname__}, registered by "
            f"{type(_registered[0]).__module__}, and from {type(source).__qualname__} of "
            f"{type(source).__module__}: leave one of the two apps out of INSTALLED_APPS"
        )
    _registered.append(source)


def demand_source() -> DemandSource:
    """The registered source of sales. Raises :class:`NoDemandSource` if there is none."""
    _discover()
    if not _registered:
        raise NoDemandSource(
            f"no installed app says where sales are: none has a module {MODULE} that calls "
            "register_demand_source (docs/explanation/learning.md)"
        )
    return _registered[0]


@cache
def _discover() -> None:
    """Import the apps' modules at first use: in ``ready()``, other apps might not be ready yet."""
    autodiscover_modules(MODULE)
