"""The payload schemas of the built-in event types. ``tills`` has those of orders and payments, in
``OrderStated`` and its like; ``stores`` has what a store reports around them, and ``fields`` the
types of fields. Event types are registered with them, and handlers get them as their data.

Fields that a schema does not know are kept with the event. A time without a zone is in the store's
own time.
"""

from neural.restaurant.schemas.stores import (
    ClockedIn,
    ClockedOut,
    DeliveryUpdated,
    DishPayload,
    FeedbackPayload,
    ItemAvailable,
    ItemSoldOut,
    LowStockPayload,
    MenuUpdated,
    OpeningReported,
    SalesReportPayload,
    ShiftPayload,
    StockPayload,
)
from neural.restaurant.schemas.tills import (
    CancellationPayload,
    DayClosed,
    OrderLinePayload,
    OrderPayload,
    OrdersMerged,
    OrderStated,
    OrderStatusChanged,
    PaymentPayload,
    PaymentStated,
    RefundPayload,
    RefundStated,
    SettlementStated,
    TillPushed,
)

__all__ = [
    "CancellationPayload",
    "ClockedIn",
    "ClockedOut",
    "DayClosed",
    "DeliveryUpdated",
    "DishPayload",
    "FeedbackPayload",
    "ItemAvailable",
    "ItemSoldOut",
    "LowStockPayload",
    "MenuUpdated",
    "OpeningReported",
    "OrderLinePayload",
    "OrderPayload",
    "OrderStated",
    "OrderStatusChanged",
    "OrdersMerged",
    "PaymentPayload",
    "PaymentStated",
    "RefundPayload",
    "RefundStated",
    "SalesReportPayload",
    "SettlementStated",
    "ShiftPayload",
    "StockPayload",
    "TillPushed",
]
