"""Submits what came by HTTP, and says what became of it.

Events of a store that the caller may not use are refused here: they are not kept as refused events,
for those belong to the store that they name.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neural.api.access import Caller
from neural.api.bodies import NotReadable
from neural.api.requests import InvalidRequest, as_arguments
from neural.events.answers import Problem, Submission, Verdict
from neural.events.kept import kept_of_unread
from neural.events.readable import as_text
from neural.events.refusals import MOST_PROBLEMS, REASON_CHARACTERS, Refusal, refusal_of
from neural.events.submit import submit_many
from neural.models import EntryPoint


@dataclass(frozen=True)
class Rejected:
    """What could not be read as arguments of ``submit``: why, and the status of the answer."""

    status: int
    refusal: Refusal


Item = Mapping[str, Any] | Rejected
"""Arguments of ``submit``, or what could not be read as these."""


def item_of(
    raw: bytes | str,
    read: Callable[[], Any],
    arguments_of: Callable[[Any], Mapping[str, Any]] = as_arguments,
) -> Item:
    """The item for one event: ``read`` returns its JSON value, ``arguments_of`` turns that into the
    arguments of ``submit``. ``raw`` is kept if it cannot be read."""
    try:
        value = read()
    except NotReadable as error:
        kept = kept_of_unread(as_text(raw.strip()))
        return Rejected(400, Refusal(payload=kept, problems=[Problem("event", str(error))]))
    except InvalidRequest as error:
        return Rejected(422, Refusal(problems=error.problems))
    try:
        return arguments_of(value)
    except InvalidRequest as error:
        return Rejected(422, refusal_of(value, error.problems))


@dataclass(frozen=True)
class Outcome:
    """What became of one event, as a status of HTTP; ``event_pk`` is that of the recorded event,
    also for a duplicate and for a conflict."""

    status: int
    verdict: Verdict
    event_pk: int | None = None
    problems: Sequence[Problem] = ()

    @property
    def errors(self) -> list[dict[str, str]]:
        """The problems for an answer, cut if they are very many or long."""
        return [
            {"field": each.field[:REASON_CHARACTERS], "reason": each.reason[:REASON_CHARACTERS]}
            for each in self.problems[:MOST_PROBLEMS]
        ]


def submit_all(items: Sequence[Item], caller: Caller, *, backfill: bool = False) -> list[Outcome]:
    """Submit events and return what became of each, in order. They are committed by then, unless
    the code that calls this has opened a transaction."""
    permitted = [item for item in items if not _is_foreign(item, caller)]
    answers = _submitted(permitted, caller, backfill)
    return [
        _foreign(item) if _is_foreign(item, caller) else _outcome(item, next(answers))
        for item in items
    ]


def _submitted(items: Iterable[Item], caller: Caller, backfill: bool) -> Iterator[Submission]:
    """All of them are submitted at once: what reads them lazily would stop at the last event, and
    refusals of a chunk are kept after its events."""
    answers = submit_many(
        [item.refusal if isinstance(item, Rejected) else item for item in items],  # type: ignore[misc]
        backfill=backfill,
        requested_by=caller.name,
        entry_point=EntryPoint.HTTP,
    )
    return iter(list(answers))


def _is_foreign(item: Item, caller: Caller) -> bool:
    # As text: a store that is given as a number is kept as text with the refused event.
    store = item.refusal.store_code if isinstance(item, Rejected) else as_text(item.get("store"))
    return bool(store) and not caller.may_use(store)


def _foreign(item: Item) -> Outcome:
    problem = Problem("store", "is not a store that this key may use")
    return Outcome(403, Verdict.REFUSED, problems=[problem])


def _outcome(item: Item, answer: Submission) -> Outcome:
    return Outcome(_status(item, answer), answer.verdict, answer.event_pk, answer.problems)


def _status(item: Item, answer: Submission) -> int:
    if answer.is_new:
        return 202
    if answer.is_duplicate:
        return 200
    if answer.event_pk is not None:
        return 409
    return item.status if isinstance(item, Rejected) else 422
