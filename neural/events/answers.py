"""What a submitter is told about an event."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from neural.errors import PermanentError
from neural.models import NeuralEvent


class Verdict(enum.StrEnum):
    """What became of an event that was submitted."""

    NEW = "new"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


@dataclass(frozen=True)
class Problem:
    """Why an event was refused: the field (``payload.lines.0.price``) and the reason."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class InvalidEvent(Exception):
    """Why a request cannot become an event; inside this package, where it is answered."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


class EventRefused(PermanentError):
    """An event was refused; ``problems`` says why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class EventPruned(PermanentError):
    """An event's payload was pruned; its handlers cannot run again."""


def _no_event() -> None:
    """What was refused was not recorded."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The answer to one event."""

    verdict: Verdict
    problems: tuple[Problem, ...] = ()
    find_event: Callable[[], NeuralEvent | None] = field(default=_no_event, repr=False)
    """Who submits many events looks mostly at verdicts; so the event is made when asked for."""

    @classmethod
    def refused(
        cls,
        problems: Sequence[Problem],
        find_event: Callable[[], NeuralEvent | None] = _no_event,
    ) -> Self:
        return cls(verdict=Verdict.REFUSED, problems=tuple(problems), find_event=find_event)

    @cached_property
    def event(self) -> NeuralEvent | None:
        """The recorded event, the one recorded earlier for a duplicate and for a conflict,
        and None for any other refusal."""
        return self.find_event()

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
        """The event, or :class:`EventRefused`."""
        if self.is_refused or self.event is None:
            raise EventRefused(self.problems)
        return self.event
