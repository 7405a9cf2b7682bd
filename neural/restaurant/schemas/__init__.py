"""The payload schemas of the built-in event types. ``tills`` has those of orders and payments, in
``OrderStated`` and its like, to which ``first_version`` is translated; ``stores`` has what a store
reports around them, and ``fields`` the types of fields. Event types are registered with them, and
handlers get them as their data.

Fields that a schema does not know are kept with the event. A time without a zone is in the store's
own time.
"""

from neural.restaurant.schemas.first_version import (
    CancellationPayload,
    FirstVersion,
    OrderPayload,
    PaymentPayload,
    RefundPayload,
)
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
    DayClosed,
    OrdersMerged,
    OrderStated,
    OrderStatusChanged,
    PaymentStated,
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
    "FirstVersion",
    "ItemAvailable",
    "ItemSoldOut",
    "LowStockPayload",
    "MenuUpdated",
    "OpeningReported",
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
