"""The models of the restaurant app, one topic per file."""

from neural.restaurant.models.demand import DailyDemand, SalesReport
from neural.restaurant.models.dish import Dish
from neural.restaurant.models.order import Order, OrderState
from neural.restaurant.models.order_line import OrderLine
from neural.restaurant.models.payment import Payment, PaymentKind
from neural.restaurant.models.staff import Shift
from neural.restaurant.models.stock import StockLevel
from neural.restaurant.models.summary import DemandSummary, Period

__all__ = [
    "DailyDemand",
    "DemandSummary",
    "Dish",
    "Order",
    "OrderLine",
    "OrderState",
    "Payment",
    "PaymentKind",
    "Period",
    "SalesReport",
    "Shift",
    "StockLevel",
]
