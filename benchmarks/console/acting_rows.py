"""Inserts what people and tills leave beside the ledger: orders of its newest events, entries of
the audit log, bulk actions with their outcomes, saved views."""

from collections.abc import Iterator

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from benchmarks.console.ledger_rows import PARTS, STORE
from benchmarks.growth.ledger import execute
from neural.models import AuditEntry, NeuralEvent, SavedView
from neural.restaurant.models import Order
from neural.restaurant.models.newest import version_of

ORDERS, ENTRIES, ACTIONS, VIEWS = 20_000, 200_000, 50, 40
ITEMS = 2_000
"""Runs of one bulk action."""
SLICE = 2_000
OWNER = "viewer-of-views"

_ACTION = (
    "(ARRAY['run.retry', 'run.discard', 'run.cancel', 'schedule.run', 'alert.acknowledge',"
    " 'export'])[1 + mod(place, 6)]"
)
# Every fourth entry is about no rows; the others name one run each.
_ENTRIES = f"""
    INSERT INTO neural_auditentry (at, actor, user_id, source, action, target_model, target_ids,
        query, store_id, reason, details, outcome, count)
    SELECT now() - (%(entries)s - place) * interval '2 minutes', 'operator-' || mod(place, 25),
        mod(place, 25), 'admin', {_ACTION},
        CASE WHEN mod(place, 4) > 0 THEN 'neural.taskrun' ELSE '' END,
        CASE WHEN mod(place, 4) > 0 THEN jsonb_build_array((%(newest)s - mod(place, 5000))::text)
            ELSE '[]' END,
        '{{}}', CASE WHEN mod(place, 4) > 0 THEN {STORE.format("mod(place, %(stores)s)")} END,
        'the till was down', '{{}}', (ARRAY['done', 'done', 'done', 'refused'])[1 + mod(place, 4)],
        1
    FROM generate_series(1, %(entries)s) AS place"""

_AUDITED = """
    INSERT INTO neural_auditedrow (entry_id, model, object_id)
    SELECT id, target_model, target_ids ->> 0 FROM neural_auditentry WHERE target_model <> ''"""

_ACTIONS = """
    INSERT INTO neural_bulkaction (verb, query, run_ids, "values", reason, pace, requested_by,
        user_id, token, state, up_to, position, expected, changed, unfit, failed, created_at,
        started_at, finished_at, stopped_by, stop_reason)
    SELECT (ARRAY['retry', 'discard', 'cancel'])[1 + mod(place, 3)], '{"state": "dead"}', NULL,
        '{}', 'the till was down', NULL, 'chief-0', 1, md5(place::text), 'finished', %(newest)s,
        %(newest)s, %(items)s, %(items)s - 10, 10, 0, at, at, at + interval '1 minute', '', ''
    FROM generate_series(1, %(actions)s) AS place
    CROSS JOIN LATERAL (SELECT now() - (%(actions)s - place) * interval '8 hours' AS at) AS begun"""

_ITEMS = """
    INSERT INTO neural_bulkactionitem (action_id, run_id, outcome, before, detail, at)
    SELECT action.id, %(newest)s - place,
        CASE WHEN place <= 10 THEN 'unfit' ELSE 'changed' END, 'dead', '', action.started_at
    FROM neural_bulkaction AS action CROSS JOIN generate_series(1, %(items)s) AS place
    WHERE %(newest)s > place"""


def fill(runs: int) -> None:
    """Insert them once; a database that has them is left as it is. A small ledger gets fewer."""
    if AuditEntry.objects.exists():
        return
    newest = NeuralEvent.objects.order_by("-pk").values_list("pk", flat=True).first()
    about = {
        **PARTS,
        "newest": newest,
        "entries": min(ENTRIES, runs),
        "actions": ACTIONS,
        "items": min(ITEMS, runs // 10),
    }
    for statement in (_ENTRIES, _AUDITED, _ACTIONS, _ITEMS):
        execute(statement, about)
    _views()
    for orders in _orders(NeuralEvent.objects.order_by("-pk")[: min(ORDERS, runs // 10)]):
        Order.objects.bulk_create(orders)
    execute("ANALYZE")


def _views() -> None:
    owner, _ = get_user_model()._default_manager.get_or_create(username=OWNER, is_staff=True)
    SavedView.objects.bulk_create(
        SavedView(owner=owner, name=f"view {place}", query={"state": "dead"}, shared=place % 2 == 0)
        for place in range(VIEWS)
    )


def _orders(events: QuerySet) -> Iterator[list[Order]]:
    """An order of each event, with the event's version, which is how it is found again."""
    found: list[Order] = []
    for event in events.iterator(SLICE):
        found.append(
            Order(
                store_id=event.store_id,
                key=event.payload["order_id"],
                number=event.payload["order_id"],
                placed_at=event.occurred_at,
                total=event.payload["amount"],
                content_version=version_of(event),
            )
        )
        if len(found) == SLICE:
            yield found
            found = []
    yield found
