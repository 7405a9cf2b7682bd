"""The rows that events write: ``Order`` with its lines and ``Payment``, what stores report, and
``DailyDemand``. ``newest`` has versions, by which the newest event wins, and ``rows`` reads and
writes many at once. Handlers write them, and the admin, the API, search and forecasting read them.
"""

from neural.restaurant.models.demand import DailyDemand, DemandSummary, Period, SalesReport
from neural.restaurant.models.dish import Availability, Dish, Menu
from neural.restaurant.models.order import Order
from neural.restaurant.models.order_line import LineRole, LineState, OrderLine
from neural.restaurant.models.order_status import (
    Channel,
    Delivery,
    DeliveryStatus,
    OrderState,
    OrderStatus,
)
from neural.restaurant.models.payment import Payment, PaymentKind, PaymentStatus, RefundKind
from neural.restaurant.models.staff import Shift, TimeCard
from neural.restaurant.models.store import DayClose, Opening, OpeningState, StockLevel

__all__ = [
    "Availability",
    "Channel",
    "DailyDemand",
    "DayClose",
    "Delivery",
    "DeliveryStatus",
    "DemandSummary",
    "Dish",
    "LineRole",
    "LineState",
    "Menu",
    "Opening",
    "OpeningState",
    "Order",
    "OrderLine",
    "OrderState",
    "OrderStatus",
    "Payment",
    "PaymentKind",
    "PaymentStatus",
    "Period",
    "RefundKind",
    "SalesReport",
    "Shift",
    "StockLevel",
    "TimeCard",
]
