"""The answer to a submitted event: its verdict, its problems and the recorded event."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from neural.kit.errors import PermanentError
from neural.models import NeuralEvent


class Verdict(enum.StrEnum):
    """The verdict on a submitted event: recorded, a duplicate of a recorded event, or refused."""

    NEW = "new"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


@dataclass(frozen=True)
class Problem:
    """Why an event was refused, or what may be wrong with one that was not: the field
    (``payload.lines.0.price``) and the reason."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class InvalidEvent(Exception):
    """A submitted event failed validation. Only used inside this package, which turns it into an
    answer."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


class EventRefused(PermanentError):
    """An event was refused; ``problems`` names each field and reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class EventPruned(PermanentError):
    """An event's payload was pruned; its handlers cannot run again."""


def _no_event() -> None:
    """The default for ``find_event``: a refused event was not recorded."""


@dataclass(frozen=True)
class PlannedRun:
    """A run that an event would have, in the answer to a dry run."""

    handler: str
    queue: str
    priority: int
    superseded: bool
    """Whether a newer statement of the same is known, and stays."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The answer to one submitted event."""

    verdict: Verdict
    problems: tuple[Problem, ...] = ()
    find_event: Callable[[], NeuralEvent | None] = field(default=_no_event, repr=False)
    """Builds the event on first access: callers that submit many events mostly need verdicts."""
    event_pk: int | None = None
    """The primary key of ``event``, which is not built for it. None in a dry run, if it is new."""
    warnings: tuple[Problem, ...] = ()
    """What may be wrong although the event is not refused: fields that its schema does not know, a
    time more than a year ago that is no history, and a store that no person has confirmed."""
    planned: tuple[PlannedRun, ...] = ()
    """In a dry run, the runs that the event would have."""

    @classmethod
    def refused(
        cls,
        problems: Sequence[Problem],
        find_event: Callable[[], NeuralEvent | None] = _no_event,
        event_pk: int | None = None,
    ) -> Self:
        """The answer to an event that was refused for these problems."""
        return cls(
            verdict=Verdict.REFUSED,
            problems=tuple(problems),
            find_event=find_event,
            event_pk=event_pk,
        )

    @cached_property
    def event(self) -> NeuralEvent | None:
        """The recorded event. For a duplicate or a conflict, it is the event that was recorded
        earlier; for any other refusal, None."""
        return self.find_event()

    @property
    def is_superseded(self) -> bool:
        """Whether, in a dry run, a newer statement than this event is known."""
        return any(each.superseded for each in self.planned)

    @property
    def is_new(self) -> bool:
        return self.verdict == Verdict.NEW

    @property
    def is_duplicate(self) -> bool:
        return self.verdict == Verdict.DUPLICATE

    @property
    def is_refused(self) -> bool:
        return self.verdict == Verdict.REFUSED

    def or_raise(self) -> NeuralEvent:
        """Return the recorded event, or raise :class:`EventRefused`."""
        if self.is_refused or self.event is None:
            raise EventRefused(self.problems)
        return self.event
