"""What a submitter is told about an event."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from neural.errors import PermanentError
from neural.models import NeuralEvent


class Verdict(enum.StrEnum):
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


class EventRefused(PermanentError):
    """An event was refused; ``problems`` says why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The answer to one event.

    ``event`` is the recorded event, the one recorded earlier for a duplicate and for a
    conflict, and None for any other refusal.
    """

    verdict: Verdict
    event: NeuralEvent | None = None
    problems: tuple[Problem, ...] = ()

    @classmethod
    def refused(cls, problems: Sequence[Problem], event: NeuralEvent | None = None) -> Self:
        return cls(verdict=Verdict.REFUSED, problems=tuple(problems), event=event)

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
