"""How long finished runs are kept: by state, and by handler, event type or task."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from django.db.models import Q

from neural.conf import conf

ByState = Mapping[str, float | None]
"""Days by state. None, like a state that is not named: never deleted."""


@dataclass(frozen=True, kw_only=True)
class Retention:
    """The days for which runs are kept after they finished.

    ``works`` names handlers, event types and tasks, with days for some states; there they replace
    those of ``states``. A handler's own days outrank those of its event's type. A task's are for
    runs without an event.
    """

    states: ByState
    works: Mapping[str, ByState] = field(default_factory=dict)

    @classmethod
    def of_settings(cls) -> "Retention":
        """What the settings say."""
        told = conf()
        return cls(
            states={
                "succeeded": told.succeeded_kept_days,
                "cancelled": told.cancelled_kept_days,
                "discarded": told.discarded_kept_days,
                "dead": told.dead_kept_days,
            },
            works={
                work: {str(state): days for state, days in rule.items()}
                for work, rule in told.kept_days_by_work.items()
            },
        )

    def only(self, *states: str) -> "Retention":
        """The same for these states; runs in others are never deleted."""
        return Retention(
            states={state: self.states.get(state) for state in states},
            works={
                work: {state: days for state, days in rule.items() if state in states}
                for work, rule in self.works.items()
            },
        )

    def named_states(self) -> set[str]:
        """Every state that has days of its own somewhere."""
        return set(self.states).union(*self.works.values())

    def least_days(self) -> float | None:
        """The least number of days after which any run goes; None if none ever does."""
        found = [days for rule in (self.states, *self.works.values()) for days in rule.values()]
        return min((days for days in found if days is not None), default=None)


def outdated(keep: Retention, now: dt.datetime) -> Q:
    """The runs that are kept no longer."""
    return reduce(or_, _each(keep, now), Q(pk__in=()))


def _each(keep: Retention, now: dt.datetime) -> Iterator[Q]:
    for state in sorted(keep.named_states()):
        own = [work for work, rule in keep.works.items() if state in rule]
        yield _aged(state, keep.states.get(state), now) & ~_of_any(own)
        for work in own:
            yield _aged(state, keep.works[work][state], now) & _of(work, own)


def _aged(state: str, days: float | None, now: dt.datetime) -> Q:
    if days is None:
        return Q(pk__in=())
    return Q(state=state, finished_at__lt=now - dt.timedelta(days=days))


def _of_any(works: list[str]) -> Q:
    if not works:
        return Q(pk__in=())
    as_task = Q(event=None, task__in=works)
    return Q(handler__in=works) | Q(event__type__in=works) | as_task


def _of(work: str, works: list[str]) -> Q:
    """Runs for which ``work`` decides; ``works`` are all that may decide."""
    by_type = Q(event__type=work) & ~Q(handler__in=works)
    return Q(handler=work) | by_type | Q(event=None, task=work)
