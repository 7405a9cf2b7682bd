"""Each thing that may go wrong with events, once, and its expected result.

The demo and its tests send these cases among other live events, and then check whether each one
ended as expected.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from neural.events.answers import Submission
from neural.models import RunState, TaskRun
from neural.queues import HIGH_PRIORITY, HIGH_PRIORITY_QUEUE
from neural.restaurant.models import Order, OrderState
from zhilian.demo.live import Request, line, order, payment, request, stock, total
from zhilian.demo.neural_handlers import DRILL_DEAD, DRILL_RETRY

URGENT: dict[str, Any] = {"queue": HIGH_PRIORITY_QUEUE, "priority": HIGH_PRIORITY}
LATE = dt.timedelta(minutes=40)

TWO_LOAVES = [line(1, 2)]
THREE_LOAVES = [line(1, 3)]

Answers = Mapping[str, Submission]
"""The answer to each step of a case, by the step's name."""


@dataclass(frozen=True)
class Case:
    """A case: its name, the expected result, and how to check it.

    ``look`` takes the session's name and the answers. It returns whether all is as expected, and in
    words what was seen.
    """

    name: str
    expected: str
    look: Callable[[str, Answers], tuple[bool, str]]


def steps(session: str) -> Iterator[tuple[str, Request]]:
    """The events of all cases with their steps' names. The first events of all cases come first."""
    now = dt.datetime.now(dt.UTC)
    early: dict[str, Any] = {"session": session, "at": now - LATE}
    yield "duplicate, first", order(**early, number="1", lines=TWO_LOAVES)
    yield "late, update", order(session=session, number="2", lines=THREE_LOAVES, change="updated")
    yield "payment first, payment", payment(session=session, number="3", amount=total(TWO_LOAVES))
    yield "malformed", order(session=session, number="4", lines=[{**line(0, 1), "quantity": "two"}])
    yield "low stock", stock(session=session, number="5", item=1, level=2)
    yield "drill: retry", drill(session, DRILL_RETRY, {"failures": 2})
    yield "drill: dead", drill(session, DRILL_DEAD, {})
    yield "duplicate, again", order(**early, number="1", lines=TWO_LOAVES)
    yield "conflict", order(**early, number="1", lines=THREE_LOAVES)
    yield "late, creation", order(**early, number="2", lines=TWO_LOAVES)
    yield "payment first, order", order(session=session, number="3", lines=TWO_LOAVES)


def drill(session: str, type_name: str, payload: dict[str, Any]) -> Request:
    """A drill at high priority, as urgent as the events around it."""
    return request(kind=type_name, session=session, event=type_name, payload=payload, **URGENT)


def look_at_duplicate(session: str, answers: Answers) -> tuple[bool, str]:
    again = answers["duplicate, again"]
    orders = Order.objects.filter(number=f"{session}-1").count()
    return again.is_duplicate and orders == 1, f"answered {again.verdict}; {orders} order"


def look_at_conflict(session: str, answers: Answers) -> tuple[bool, str]:
    answer = answers["conflict"]
    cost = _order(session, "1").total
    stands = cost == Decimal(total(TWO_LOAVES))
    return answer.is_refused and stands, f"{_reasons(answer)}. The order still costs {cost:.2f}"


def look_at_late(session: str, answers: Answers) -> tuple[bool, str]:
    cost = _order(session, "2").total
    return cost == Decimal(total(THREE_LOAVES)), f"the order costs {cost:.2f}, as updated"


def look_at_payment_first(session: str, answers: Answers) -> tuple[bool, str]:
    found = _order(session, "3")
    settled = found.state == OrderState.PLACED and found.balance == 0
    return settled, f"order {found.state}: {found.total:.2f}, paid {found.paid:.2f}"


def look_at_malformed(session: str, answers: Answers) -> tuple[bool, str]:
    answer = answers["malformed"]
    return answer.is_refused and answer.event is None, _reasons(answer)


def look_at_retry(session: str, answers: Answers) -> tuple[bool, str]:
    run = _run(answers["drill: retry"])
    as_asked = run.state == RunState.SUCCEEDED and run.failures == 2
    return as_asked, f"{run.failures} failed attempts, then {run.state}"


def look_at_dead(session: str, answers: Answers) -> tuple[bool, str]:
    run = _run(answers["drill: dead"])
    return run.state == RunState.DEAD, f"{run.state} after {run.failures} attempts: {run.error}"


CASES = (
    Case("duplicate", "the same event again changes nothing", look_at_duplicate),
    Case("conflict", "the same id with other content is refused", look_at_conflict),
    Case("late", "an order's creation after its update: the newer one stands", look_at_late),
    Case("payment first", "a payment before its order finds it later", look_at_payment_first),
    Case("malformed", "refused, with the field and the reason", look_at_malformed),
    Case("drill: retry", "a handler fails twice and then works", look_at_retry),
    Case("drill: dead", "a handler fails until it is dead", look_at_dead),
)


def _order(session: str, number: str) -> Order:
    return Order.objects.get(store="demo-1", number=f"{session}-{number}")


def _run(answer: Submission) -> TaskRun:
    return TaskRun.objects.get(event=answer.or_raise())


def _reasons(answer: Submission) -> str:
    return "; ".join(str(problem) for problem in answer.problems) or f"answered {answer.verdict}"
