"""The runs that a query means, for a user: read in pages or slices, each of a bounded number of
rows.

No index has the time at which a run was submitted, but keys rise with it. So a bisection of the
keys finds a run of about that time, and a page of the last week does not read older weeks.
"""

import datetime as dt
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from django.db import connections
from django.db.models import F, Q
from django.db.models.functions import Now
from django.db.models.lookups import GreaterThanOrEqual

from neural.kit.keyset.bounded import KeyPage, find, page_of_few
from neural.kit.keyset.planning import STORE, by_store, plan, stores_of
from neural.kit.keyset.walks import Place, Walk, along, indexes_alone
from neural.ledger.clock import database_clock
from neural.models import RunState, TaskRun
from neural.runs.filters import RUN_FILTERS, RUN_FINDERS
from neural.runs.lookups import (
    meant,
    runs_by_filter,
    runs_by_finder,
    runs_by_id,
    runs_of_event_id,
    stores_named,
)
from neural.runs.models.run import SET_ASIDE_STATES, TaskRunQuerySet
from neural.runs.query import EVER, PERIODS, RunQuery

MARGIN = dt.timedelta(hours=1)
"""By how much a run may have got its key later or earlier than its time says: clocks differ, and a
transaction that inserted many runs may have been long."""
MOST_COUNTED = 10_000
PAGE = 1000
NEAR = 2000
"""The bisection ends when so many keys are left: fewer than a page may read."""

Row = tuple[int, dt.datetime]


@dataclass(frozen=True)
class KeySpan:
    """All runs of a period have keys between these two; None: no limit on that side."""

    above: int | None = None
    below: int | None = None


def keys_between(since: dt.datetime | None, until: dt.datetime | None) -> KeySpan:
    """The keys of runs that were submitted in [since, until)."""
    oldest, newest = _end("pk"), _end("-pk")
    if oldest is None or newest is None or newest[0] - oldest[0] < NEAR:
        return KeySpan()
    (first, began), (last, ended) = oldest, newest
    above = below = None
    if since and began < since - MARGIN:
        above, _ = _bisected(since - MARGIN, first, last + 1)
    if until and ended >= until + MARGIN:
        _, below = _bisected(until + MARGIN, first, last + 1)
    return KeySpan(above, below)


_BISECTION = """
    WITH RECURSIVE span(low, high) AS (
        SELECT CAST(%(low)s AS bigint), CAST(%(high)s AS bigint)
        UNION ALL
        SELECT CASE WHEN {is_before} THEN (low + high) / 2 ELSE low END,
            CASE WHEN {is_before} THEN high ELSE (low + high) / 2 END
        FROM span WHERE high - low > %(near)s
    )
    SELECT low, high FROM span ORDER BY high - low LIMIT 1
""".replace(
    "{is_before}",
    "(SELECT created_at < %(moment)s FROM neural_taskrun WHERE id >= (low + high) / 2"
    " ORDER BY id LIMIT 1)",
)
"""One statement, of some probes of the primary key: as statements of their own they would take
longer than the page."""


def _bisected(moment: dt.datetime, low: int, high: int) -> tuple[int, int]:
    """Two keys that are near to one another: runs up to the first are from before this moment, runs
    from the second on are not."""
    connection = connections[TaskRun.objects.db]
    at = connection.ops.adapt_datetimefield_value(moment)
    with connection.cursor() as cursor:
        cursor.execute(_BISECTION, {"low": low, "high": high, "near": NEAR, "moment": at})
        found: tuple[int, int] = cursor.fetchone()
    return found


def _end(order: str) -> Row | None:
    return TaskRun.objects.order_by(order).values_list("pk", "created_at").first()


PENDING, RUNNING = RunState.PENDING, RunState.RUNNING
SET_ASIDE = Q(state__in=SET_ASIDE_STATES)
URGENCY = ("queue", "-priority", "available_at")
BY_HANDLER = Walk(parameter="handler", column="handler", condition=~Q(handler=""))
WALKS = (
    Walk(parameter="state", column="state", values=SET_ASIDE_STATES, condition=SET_ASIDE),
    Walk(parameter="state", order=("worker",), values=(RUNNING,), condition=Q(state=RUNNING)),
    Walk(parameter="state", order=URGENCY, values=(PENDING,), condition=Q(state=PENDING)),
    Walk(parameter="error", condition=~Q(error="")),
    by_store(condition=Q(store__isnull=False)),
    BY_HANDLER,
    Walk(parameter="task", column="task", condition=Q(event__isnull=True)),
)
"""The indexes of runs that serve filters, the most selective first."""


@dataclass(frozen=True)
class Slice:
    """Primary keys of runs that match, in rising order. ``read_to`` is the key up to which all runs
    have been looked at; ``done`` says that there are no more."""

    keys: Sequence[int]
    read_to: int
    done: bool


@dataclass(frozen=True)
class Selection:
    """Runs as a user means them: those with these primary keys, or else all that match a query. Its
    free text has been read, its ids have been looked up."""

    query: RunQuery
    user: Any
    run_ids: Sequence[int] | None = None
    """The keys of runs that were chosen one by one; the query then limits nothing."""

    @property
    def names_each(self) -> bool:
        """Whether each run was chosen itself, by its box or its id."""
        return self.run_ids is not None or bool(self.query.run)

    @cached_property
    def runs(self) -> TaskRunQuerySet:
        """The runs, in no order. Not bounded: read them by :meth:`page`."""
        runs: Any = TaskRun.objects.for_user(self.user)
        return runs.filter(self._condition)

    def page(self, *, place: Place, size: int) -> KeyPage:
        """The keys of one page, newest first."""
        if self.named is not None:
            return page_of_few(self.runs, place=place, size=size)
        place = replace(place, above=self.span.above, below=self.span.below)
        return find(self.runs, place=place, size=size, **self._plan)

    def newest(
        self, *, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> tuple[list[int], bool]:
        """The keys of the newest runs, the newest first, and whether there may be more: up to
        :data:`MOST_COUNTED`, read for so many seconds. Those chosen one by one are read at once."""
        if self.run_ids is not None:
            return list(self.runs.order_by("-pk").values_list("pk", flat=True)), False
        keys: list[int] = []
        end, place, is_more = clock() + seconds, Place(), True
        while is_more and len(keys) < MOST_COUNTED:
            page = self.page(place=place, size=min(PAGE, MOST_COUNTED - len(keys)))
            keys, is_more = [*keys, *page.keys], page.more
            onward = min(page.keys, default=None) if page.stopped_at is None else page.stopped_at
            if onward is None or clock() >= end:
                break
            place = Place(before=onward)
        return keys, is_more

    def slice(self, *, after: int, up_to: int, size: int) -> Slice:
        """The next runs with keys in (after, up_to], the oldest first."""
        page = self.page(place=Place(after=after), size=size)
        keys = [key for key in reversed(page.keys) if key <= up_to]
        if page.stopped_at is not None and len(keys) == len(page.keys):
            return Slice(keys, page.stopped_at, done=page.stopped_at >= up_to)
        more = page.more and len(keys) == len(page.keys)
        return Slice(keys, keys[-1] if more else up_to, done=not more)

    def in_state(self, *, state: str, tries: int | None) -> "Selection":
        """The same selection in another state; what was looked up is not looked up again."""
        found = Selection(replace(self.query, state=state, tries=tries), self.user)
        found.__dict__.update(named=self.named, stores=self.stores, span=self.span)
        return found

    @cached_property
    def named(self) -> frozenset[int] | None:
        """The keys of few runs among which are all that the query means; None if they are not known
        to be few."""
        named = [frozenset(keys) for keys in self._named()]
        return frozenset.intersection(*named) if named else None

    def _named(self) -> Iterator[Sequence[int]]:
        if self.run_ids is not None:
            yield self.run_ids
        if self.query.run:
            yield runs_by_id(self.query.run, self.user)
        if self.query.event:
            yield runs_of_event_id(self.query.event, self.user)
        for name, value in self.query.others.items():
            if name in RUN_FINDERS:
                yield runs_by_finder(name, value, self.user)
            elif (keys := runs_by_filter(name, value, self.user)) is not None:
                yield keys

    @cached_property
    def stores(self) -> Sequence[str] | None:
        """The codes of the chosen stores; None if none is chosen."""
        return stores_named(self.query.store, self.user) if self.query.store else None

    @property
    def readable_stores(self) -> Sequence[str] | None:
        """The codes of the stores whose runs are meant and may be seen; None if these are all."""
        return stores_of({}, user=self.user) if self.stores is None else self.stores

    @cached_property
    def span(self) -> KeySpan:
        """Between which keys the runs of its period are."""
        return keys_between(*self.query.times(self.now))

    @cached_property
    def now(self) -> dt.datetime:
        """The time from which its period counts back: the database's, which runs have as well."""
        return database_clock()

    @cached_property
    def _plan(self) -> dict[str, Any]:
        planned = plan(WALKS, self._chosen, user=self.user)
        if self.stores is not None:
            planned["walks"] = [
                replace(walk, prefixes=self.stores) if walk.parameter == STORE else walk
                for walk in planned["walks"]
            ]
        planned["walks"] = [*self._walks_of_apps(), *planned["walks"]]
        return planned

    def _walks_of_apps(self) -> Iterator[Walk]:
        for each in RUN_FILTERS:
            if each.walk and (value := self.query.others.get(each.name)):
                yield each.walk(value, self.query.state)

    @property
    def _chosen(self) -> dict[str, str]:
        """The parameters of the walks."""
        chosen = {name: value for name, value in self.query.params().items() if name != "period"}
        if self.query.is_limited_in_time:
            chosen["period"] = "limited"
        if work := chosen.pop("work", ""):
            chosen["handler" if _is_handler(work) else "task"] = work
        if any(each.only_failed for each in RUN_FILTERS if self.query.others.get(each.name)):
            chosen.setdefault("error", "any")
        return chosen

    @property
    def _condition(self) -> Q:
        query, found = self.query, self._in_time
        for name in ("state", "queue", "worker", "requested_by"):
            if value := getattr(query, name):
                found &= Q(**{name: value})
        if self.named is not None:
            found &= Q(pk__in=self.named)
        if self.stores is not None:
            found &= Q(store__in=self.stores)
        if query.work:
            found &= Q(handler=query.work) | Q(handler="", task=query.work)
        if query.tries:
            found &= Q(GreaterThanOrEqual(F("failures") + F("losses"), query.tries))
        if query.error:
            found &= Q(error__icontains=query.error)
        for each in RUN_FILTERS:
            if value := query.others.get(each.name, ""):
                found &= each.condition(self.user, value)
        return found

    @property
    def _in_time(self) -> Q:
        if length := PERIODS.get(self.query.shown_period):
            return Q(created_at__gte=Now() - length)
        found = Q(created_at__gte=self.query.since) if self.query.since else Q()
        return found & Q(created_at__lt=self.query.until) if self.query.until else found


def _is_handler(work: str) -> bool:
    """Whether there are runs of a handler of this name, and not of a task."""
    rows = TaskRun.objects.order_by()
    with indexes_alone(rows.db):
        return bool(along(rows, BY_HANDLER.along(work), Place(), 1).values_list("pk"))


def select(query: RunQuery, user: Any) -> Selection:
    """What the query means for this user. Raises :class:`neural.runs.query.QueryRefused` if its
    free text contradicts its fields."""
    return Selection(meant(query, user), user)


def chosen(run_ids: Sequence[int], user: Any) -> Selection:
    """Those of the user's runs that were chosen one by one, by their primary keys."""
    return Selection(RunQuery(period=EVER), user, run_ids)


def set_aside(
    *,
    states: Sequence[RunState],
    ids: Sequence[str] = (),
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    error: str = "",
    stores: Collection[str] | None = None,
    **exact: str,
) -> TaskRunQuerySet:
    """Runs that have ended, as scripts name them: by exact values of columns, by when they finished
    (at or after ``since`` and before ``until``), by part of the last error, upper or lower case, or
    by ``ids``, task ids or primary keys. ``stores`` are the codes of those that the caller may see;
    None: every store. Empty criteria match every run.

    An index of these states serves it, so its cost does not grow with the millions of runs that
    succeeded.
    """
    wanted: dict[str, Any] = {**exact, "finished_at__gte": since, "finished_at__lt": until}
    wanted["error__icontains"] = error
    runs: TaskRunQuerySet = TaskRun.objects.in_stores(stores)
    runs = runs.filter(state__in=states, **{name: each for name, each in wanted.items() if each})
    keys = [int(each) for each in ids if each.isdecimal()]
    return runs.filter(Q(task_id__in=ids) | Q(pk__in=keys)) if ids else runs
