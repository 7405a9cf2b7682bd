"""The models of the restaurant app, one topic per file."""

from neural.restaurant.models.day_close import DayClose
from neural.restaurant.models.demand import DailyDemand, SalesReport
from neural.restaurant.models.dish import Dish
from neural.restaurant.models.order import Order
from neural.restaurant.models.order_line import LineRole, LineState, OrderLine
from neural.restaurant.models.order_status import Channel, OrderState, OrderStatus
from neural.restaurant.models.payment import Payment, PaymentKind, PaymentStatus, RefundKind
from neural.restaurant.models.staff import Shift
from neural.restaurant.models.stock import StockLevel
from neural.restaurant.models.summary import DemandSummary, Period

__all__ = [
    "Channel",
    "DailyDemand",
    "DayClose",
    "DemandSummary",
    "Dish",
    "LineRole",
    "LineState",
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
]
