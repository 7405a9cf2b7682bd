"""Inserts what monitoring has kept of the same chain: figures, error groups, alerts."""

import json
from collections.abc import Iterator

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from benchmarks.console.ledger_rows import DAYS, PARTS, QUEUE, STORE, TYPE, WORK
from benchmarks.growth.ledger import execute, without_indexes
from neural.models import AuditEntry, NeuralEvent, SavedView
from neural.monitoring.rollups.histograms import BUCKETS
from neural.restaurant.models import Order
from neural.restaurant.models.newest import version_of

MINUTE_DAYS, TREND_DAYS = 8, 30
"""For how long figures by minute and the trends of error groups are kept, see the settings."""
GROUPS, ALERTS, MESSAGES = 40, 2_000, 5_000
OPEN_HOURS = 14
LARGE = (
    "neural_monitoring_minutefigures",
    "neural_monitoring_hourfigures",
    "neural_monitoring_eventfigures",
    "neural_monitoring_errorgrouphour",
)
_COLUMNS = "queue, work, submitted, succeeded, failed, lost, dead, wait, duration"
_HISTOGRAM = json.dumps([place if place < 12 else 0 for place in range(BUCKETS)])
_COUNTS = "66, 65, 1, 0, 0, %(histogram)s::jsonb, %(histogram)s::jsonb"

_MINUTES = f"""
    INSERT INTO neural_monitoring_minutefigures (minute, {_COLUMNS})
    SELECT date_trunc('minute', now()) - ago * interval '1 minute',
        {QUEUE.format("place")}, {WORK.format("place")}, {_COUNTS}
    FROM generate_series(1, %(minute_days)s * 1440) AS ago
    CROSS JOIN generate_series(0, %(works)s - 1) AS place"""

_HOURS = f"""
    INSERT INTO neural_monitoring_hourfigures (hour, store_code, {_COLUMNS})
    SELECT date_trunc('hour', now()) - ago * interval '1 hour', '/',
        {QUEUE.format("place")}, {WORK.format("place")}, {_COUNTS}
    FROM generate_series(1, %(days)s * 24) AS ago
    CROSS JOIN generate_series(0, %(works)s - 1) AS place"""

# A store has runs of two works in an hour in which it is open.
_STORE_HOURS = f"""
    INSERT INTO neural_monitoring_hourfigures (hour, store_code, {_COLUMNS})
    SELECT date_trunc('hour', now()) - ago * interval '1 hour', {STORE.format("store")},
        {QUEUE.format("place")}, {WORK.format("place")}, {_COUNTS}
    FROM generate_series(1, %(days)s * 24) AS ago
    CROSS JOIN generate_series(0, %(stores)s - 1) AS store
    CROSS JOIN generate_series(0, 1) AS nth
    CROSS JOIN LATERAL (SELECT mod(ago + store + 27 * nth, 54) AS place) AS at
    WHERE mod(ago, 24) < %(open_hours)s"""

_EVENT_HOURS = f"""
    INSERT INTO neural_monitoring_eventfigures (hour, store_code, event_type, events, last_at)
    SELECT hour, {STORE.format("store")}, {TYPE.format("(ago + nth)")}, 3,
        hour + interval '50 minutes'
    FROM generate_series(1, %(days)s * 24) AS ago
    CROSS JOIN generate_series(0, %(stores)s - 1) AS store
    CROSS JOIN generate_series(0, 1) AS nth
    CROSS JOIN LATERAL (SELECT date_trunc('hour', now()) - ago * interval '1 hour' AS hour) AS at
    WHERE mod(ago, 24) < %(open_hours)s"""

_TOTALS = f"""
    INSERT INTO neural_monitoring_totalfigures ({_COLUMNS})
    SELECT {QUEUE.format("place")}, {WORK.format("place")}, {_COUNTS}
    FROM generate_series(0, %(works)s - 1) AS place"""

_EVENT_TOTALS = f"""
    INSERT INTO neural_monitoring_totalevents (event_type, events)
    SELECT {TYPE.format("place")}, 1000000 FROM generate_series(0, 4) AS place"""

_GROUPS = """
    INSERT INTO neural_monitoring_errorgroup (fingerprint, exception, message, frame, root,
        state, attempts, first_at, last_at, decided_by)
    SELECT md5(place::text), 'Error' || place, 'the till did not answer within <number> s',
        'chain.integration.step_' || place || ' in forward', '',
        (ARRAY['open', 'open', 'muted', 'resolved'])[1 + mod(place, 4)], 0,
        now() - interval '400 days', now() - place * interval '20 minutes', ''
    FROM generate_series(1, %(groups)s) AS place"""

# The group of a failed run follows from its key.
_FAILED_RUNS = """
    INSERT INTO neural_monitoring_failedrun
        (run_id, group_id, attempt_id, store_id, failed_at, dead)
    SELECT run.id, 1 + mod(run.id, %(groups)s), last.id, run.store_id, run.finished_at,
        run.state = 'dead'
    FROM neural_taskrun AS run JOIN
        (SELECT run_id, max(id) AS id FROM neural_tasktry GROUP BY run_id) AS last
        ON last.run_id = run.id"""

_HITS = """
    INSERT INTO neural_monitoring_errorgrouphit
        (group_id, work, store_code, attempts, first_at, last_at)
    SELECT failed.group_id, CASE WHEN run.handler = '' THEN run.task ELSE run.handler END,
        coalesce(run.store_id, ''), sum(run.failures), min(failed.failed_at), max(failed.failed_at)
    FROM neural_monitoring_failedrun AS failed JOIN neural_taskrun AS run ON run.id = failed.run_id
    GROUP BY 1, 2, 3"""

_GROUP_COUNTS = """
    UPDATE neural_monitoring_errorgroup AS own SET attempts = hit.attempts
    FROM (SELECT group_id, sum(attempts) AS attempts FROM neural_monitoring_errorgrouphit
        GROUP BY 1) AS hit WHERE hit.group_id = own.id"""

_TRENDS = f"""
    INSERT INTO neural_monitoring_errorgrouphour (group_id, hour, work, store_code, attempts)
    SELECT place, date_trunc('hour', now()) - ago * interval '1 hour',
        CASE WHEN nth > 0 THEN {WORK.format("nth")} ELSE '' END,
        CASE WHEN nth > 0 THEN {STORE.format("mod(ago + place + nth, %(stores)s)")} ELSE '' END, 3
    FROM generate_series(1, %(groups)s) AS place
    CROSS JOIN generate_series(0, %(trend_days)s * 24) AS ago
    CROSS JOIN generate_series(0, 5) AS nth"""

_ALERTS = f"""
    INSERT INTO neural_monitoring_alert (rule, subject, store_code, severity, state, facts, since,
        seen_at, resolved_at, acknowledged_by)
    SELECT 'silent_store', {STORE.format("store")}, {STORE.format("store")}, 'warning', 'resolved',
        jsonb_build_object('name', {STORE.format("store")}, 'last_at', at, 'seconds', 3600,
            'usual', 9),
        at, at + interval '1 hour', at + interval '1 hour', ''
    FROM generate_series(1, %(alerts)s) AS place
    CROSS JOIN LATERAL (SELECT mod(place, %(stores)s) AS store,
        now() - interval '4 hours' * (%(alerts)s - place + 1) AS at) AS alert"""

_CHANNEL = """
    INSERT INTO neural_monitoring_alertchannel (name, kind, enabled, least_severity, language,
        addresses, secrets, broken)
    VALUES ('on call', 'email', false, 'warning', 'en', '', '', '')"""

_MESSAGES = """
    INSERT INTO neural_monitoring_alertmessage (message_id, channel_id, rule, state, content,
        created_at, due_at, task_id, attempts, sent_at, answer)
    SELECT 'msg_' || md5(place::text), 1, 'silent_store', 'sent', '{}', at, at, '', 1, at,
        '200: ok'
    FROM generate_series(1, %(messages)s) AS place
    CROSS JOIN LATERAL (SELECT now() - interval '2 hours' * (%(messages)s - place + 1) AS at)
        AS message"""

_OF_LARGE = (_MINUTES, _HOURS, _STORE_HOURS, _EVENT_HOURS, _GROUPS, _TRENDS)
_REST = (
    *(_TOTALS, _EVENT_TOTALS, _FAILED_RUNS, _HITS, _GROUP_COUNTS),
    *(_ALERTS, _CHANNEL, _MESSAGES),
)


def fill(days: int) -> None:
    """Insert figures of so many days, at most those of the settings, and what else is kept."""
    about = {
        **PARTS,
        "days": min(days, DAYS),
        "minute_days": min(days, MINUTE_DAYS),
        "trend_days": min(days, TREND_DAYS),
        "open_hours": OPEN_HOURS,
        "histogram": _HISTOGRAM,
        "groups": GROUPS,
        "alerts": ALERTS,
        "messages": MESSAGES,
    }
    with without_indexes(LARGE):
        for statement in _OF_LARGE:
            execute(statement, about)
    for statement in _REST:
        execute(statement, about if "%(" in statement else None)


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


def fill_acting(runs: int) -> None:
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
