"""Records deliveries in the transaction of what they tell: of new events, and of outcomes.

A delivery exists exactly if its event does, or if the outcome of its run was recorded. It is a row
without content; a relay requests the run that sends it (``neural.hooks.outgoing.scheduling``).
"""

from collections.abc import Sequence
from typing import Any

from neural.events.insertion import InsertHook
from neural.events.new_event import NewEvent
from neural.hooks.models import Delivery, SubscribedType, Subscription
from neural.hooks.outgoing import subscribed
from neural.hooks.outgoing.subscribed import matching_outcome
from neural.ledger.ports import Ended
from neural.queues import LOW_PRIORITY_QUEUE


def _history(new_events: Sequence[NewEvent]) -> Sequence[bool | str] | None:
    """Which of these events are history; None if nobody wants any of them.

    Nearly always it is all of them or none. Otherwise they are named, in a text that both databases
    can search.
    """
    if not subscribed.names():
        return None
    kinds = {new_event.type for new_event in new_events}
    if not any(map(subscribed.to_event, kinds)):
        return None
    old = [each for each in new_events if each.queue == LOW_PRIORITY_QUEUE]
    if len(old) == len(new_events):
        return [True, "", ""]
    named = "".join("\n{}\n{}\n{}\n".format(*each.identity) for each in old)
    return [False, named, named]


# The second comparison is that of a pattern: 'order.*' is the type's first six characters and '*'.
EVENT_DELIVERIES = InsertHook(
    statement="""INSERT INTO neural_hooks_delivery
            (subscription_id, store_id, type, event_id, state, task_id, attempts, answer)
        SELECT DISTINCT subscription.id, event.store_id, event.type, event.id,
            'pending', '', 0, ''
        FROM new_events AS event
        JOIN neural_hooks_subscribedtype AS named ON named.name = event.type
            OR named.name = substr(event.type, 1, length(named.name) - 1) || '*'
        JOIN neural_hooks_subscription AS subscription ON subscription.id = named.subscription_id
        WHERE (subscription.history OR NOT (%s OR replace(%s, '\n' || event.store_id || '\n'
                || event.source || '\n' || event.event_id || '\n', '') <> %s))
            AND (subscription.every_store OR EXISTS (
                SELECT 1 FROM neural_hooks_subscription_stores AS own
                WHERE own.subscription_id = subscription.id AND own.store_id = event.store_id))
        ORDER BY 4""",
    parameters=_history,
)


def record_outcomes(ended: Sequence[Ended]) -> None:
    """Record deliveries of the outcomes of events' runs, in the transaction that settles them."""
    if not subscribed.to_outcomes():
        return
    mine = [each for each in ended if each.run.event_id and subscribed.to_outcome(_type(each))]
    if not mine:
        return
    wanted = {outcome: _subscribers(outcome) for outcome in {_type(each) for each in mine}}
    rows = [
        Delivery(
            subscription_id=subscription.pk,
            store_id=each.run.store_id,
            type=_type(each),
            event_id=each.run.event_id,
            run_id=each.run.pk,
            payload=_payload(each),
        )
        for each in mine
        for subscription in wanted[_type(each)]
        if _gets(subscription, each)
    ]
    Delivery.objects.bulk_create(rows)


def _type(ended: Ended) -> str:
    return f"run.{ended.state}"


def _subscribers(outcome: str) -> list[Subscription]:
    """The subscriptions to an outcome, with their stores."""
    named = SubscribedType.objects.filter(name__in=matching_outcome(outcome))
    mine = Subscription.objects.filter(pk__in=named.values("subscription"))
    return list(mine.only("pk", "every_store", "history").prefetch_related("stores"))


def _gets(subscription: Subscription, ended: Ended) -> bool:
    if ended.run.queue == LOW_PRIORITY_QUEUE and not subscription.history:
        return False
    own: set[str | None] = {store.pk for store in subscription.stores.all()}
    return subscription.every_store or ended.run.store_id in own


def _payload(ended: Ended) -> dict[str, Any]:
    run, event = ended.run, ended.run.event
    assert event is not None  # for the type checker: only events' runs are told of
    return {
        "store": run.store_id,
        "source": event.source,
        "event_id": event.event_id,
        "event_type": event.type,
        "task_id": run.task_id,
        "handler": run.handler,
        "state": ended.state.value,
        "error_type": ended.error_type,
    }
