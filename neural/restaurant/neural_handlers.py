"""The built-in event types with their queues, priorities and handlers.

In ``INSTALLED_APPS``, this app must come after ``neural`` and before apps with handlers for these
types.
"""

from neural.events.schema import Payload
from neural.events.types import EventType, register_event_type
from neural.queues import DEFAULT_PRIORITY, DEFAULT_QUEUE, HIGH_PRIORITY, HIGH_PRIORITY_QUEUE
from neural.restaurant import schemas

URGENT: dict[str, type[Payload]] = {
    "order.created": schemas.OrderPayload,
    "order.updated": schemas.OrderPayload,
    "order.cancelled": schemas.CancellationPayload,
    "order.stated": schemas.OrderStated,
    "order.status_changed": schemas.OrderStatusChanged,
    "order.merged": schemas.OrdersMerged,
    "payment.stated": schemas.PaymentStated,
    "refund.stated": schemas.RefundStated,
    "payment.completed": schemas.PaymentPayload,
    "payment.refunded": schemas.RefundPayload,
    "inventory.low": schemas.LowStockPayload,
    "inventory.updated": schemas.StockPayload,
}
ORDINARY: dict[str, type[Payload]] = {
    "dish.updated": schemas.DishPayload,
    "staff.scheduled": schemas.ShiftPayload,
    "feedback.received": schemas.FeedbackPayload,  # no handler: kept as unhandled
    "sales.reported": schemas.SalesReportPayload,
    "settlement.stated": schemas.SettlementStated,
    "day.closed": schemas.DayClosed,
    "till.pushed": schemas.TillPushed,  # no handler yet: kept as unhandled
}


def _register(types: dict[str, type[Payload]], *, queue: str, priority: int) -> None:
    for name, schema in types.items():
        register_event_type(EventType(name=name, schema=schema, queue=queue, priority=priority))


_register(URGENT, queue=HIGH_PRIORITY_QUEUE, priority=HIGH_PRIORITY)
_register(ORDINARY, queue=DEFAULT_QUEUE, priority=DEFAULT_PRIORITY)

# Imported last: handlers register at import, and only for types that are already known.
from neural.restaurant.handlers import days, orders, payments, stores  # noqa: E402, F401
