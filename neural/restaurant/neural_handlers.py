"""The built-in event types with their queues, priorities and handlers.

In ``INSTALLED_APPS``, this app must come after ``neural`` and before apps with handlers for these
types.
"""

from neural.events.schema import Payload
from neural.events.types import EventType, register_event_type
from neural.queues import DEFAULT_PRIORITY, DEFAULT_QUEUE, HIGH_PRIORITY, HIGH_PRIORITY_QUEUE
from neural.restaurant import schemas
from neural.restaurant.schemas.tills import PUSHED_BYTES, without_credentials

URGENT: dict[str, type[Payload]] = {
    "order.created": schemas.OrderPayload,
    "order.updated": schemas.OrderPayload,
    "order.cancelled": schemas.CancellationPayload,
    "order.stated": schemas.OrderStated,
    "order.status_changed": schemas.OrderStatusChanged,
    "order.merged": schemas.OrdersMerged,
    "payment.stated": schemas.PaymentStated,
    "refund.stated": schemas.RefundStated,
    "delivery.updated": schemas.DeliveryUpdated,
    "payment.completed": schemas.PaymentPayload,
    "payment.refunded": schemas.RefundPayload,
    "inventory.low": schemas.LowStockPayload,
    "inventory.updated": schemas.StockPayload,
}
ORDINARY: dict[str, type[Payload]] = {
    "dish.updated": schemas.DishPayload,
    "item.sold_out": schemas.ItemSoldOut,
    "item.available": schemas.ItemAvailable,
    "staff.scheduled": schemas.ShiftPayload,
    "feedback.received": schemas.FeedbackPayload,  # no handler: kept as unhandled
    "sales.reported": schemas.SalesReportPayload,
    "settlement.stated": schemas.SettlementStated,
    "day.closed": schemas.DayClosed,
    "menu.updated": schemas.MenuUpdated,
    "store.opened": schemas.OpeningReported,
    "store.closed": schemas.OpeningReported,
    "store.busy": schemas.OpeningReported,
    "staff.clocked_in": schemas.ClockedIn,
    "staff.clocked_out": schemas.ClockedOut,
}


def _register(types: dict[str, type[Payload]], *, queue: str, priority: int) -> None:
    for name, schema in types.items():
        register_event_type(EventType(name=name, schema=schema, queue=queue, priority=priority))


_register(URGENT, queue=HIGH_PRIORITY_QUEUE, priority=HIGH_PRIORITY)
_register(ORDINARY, queue=DEFAULT_QUEUE, priority=DEFAULT_PRIORITY)
register_event_type(
    EventType(  # its handler is of neural.hooks; without that app, kept as unhandled
        name="till.pushed",
        schema=schemas.TillPushed,
        max_bytes=PUSHED_BYTES,
        keep=without_credentials,
    )
)

# Imported last: handlers register at import, and only for types that are already known.
from neural.restaurant.handlers import dishes, orders, payments, stores  # noqa: E402, F401
