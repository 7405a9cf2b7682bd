"""The models of the restaurant app, one topic per file."""

from neural.restaurant.models.day_close import DayClose
from neural.restaurant.models.delivery import Delivery, DeliveryStatus
from neural.restaurant.models.demand import DailyDemand, SalesReport
from neural.restaurant.models.dish import Dish
from neural.restaurant.models.menu import Menu
from neural.restaurant.models.opening import Opening, OpeningState
from neural.restaurant.models.order import Order
from neural.restaurant.models.order_line import LineRole, LineState, OrderLine
from neural.restaurant.models.order_status import Channel, OrderState, OrderStatus
from neural.restaurant.models.payment import Payment, PaymentKind, PaymentStatus, RefundKind
from neural.restaurant.models.sold_out import Availability
from neural.restaurant.models.staff import Shift
from neural.restaurant.models.stock import StockLevel
from neural.restaurant.models.summary import DemandSummary, Period
from neural.restaurant.models.time_card import TimeCard

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
