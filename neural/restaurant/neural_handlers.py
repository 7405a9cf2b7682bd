"""The built-in event types, their queues and priorities, and their handlers.

The app stands in ``INSTALLED_APPS`` after ``neural`` and before the apps whose handlers are for
these types.
"""

from neural.events.schema import Payload
from neural.events.types import EventType, register_event_type
from neural.queues import DEFAULT_PRIORITY, DEFAULT_QUEUE, HIGH_PRIORITY, HIGH_PRIORITY_QUEUE
from neural.restaurant import schemas

URGENT: dict[str, type[Payload]] = {
    "order.created": schemas.OrderPayload,
    "order.updated": schemas.OrderPayload,
    "order.cancelled": schemas.CancellationPayload,
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
}


def _register(types: dict[str, type[Payload]], *, queue: str, priority: int) -> None:
    for name, schema in types.items():
        register_event_type(EventType(name=name, schema=schema, queue=queue, priority=priority))


_register(URGENT, queue=HIGH_PRIORITY_QUEUE, priority=HIGH_PRIORITY)
_register(ORDINARY, queue=DEFAULT_QUEUE, priority=DEFAULT_PRIORITY)

# Handlers register when they are imported, and only for types that are known by then.
from neural.restaurant.handlers import orders, stores  # noqa: E402, F401
