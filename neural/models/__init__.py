"""The models, one story a file."""

from neural.models.analysis import DemandSummary, Period
from neural.models.demand import DailyDemand, SalesReport
from neural.models.dish import Dish
from neural.models.event import NeuralEvent
from neural.models.order import Order, OrderState
from neural.models.order_line import OrderLine
from neural.models.payment import Payment, PaymentKind
from neural.models.run import RunState, TaskRun, TaskTry, TryOutcome
from neural.models.staff import Shift
from neural.models.stock import StockLevel
from neural.models.store import Store
from neural.models.worker import WorkerProcess

__all__ = [
    "DailyDemand",
    "DemandSummary",
    "Dish",
    "NeuralEvent",
    "Order",
    "OrderLine",
    "OrderState",
    "Payment",
    "PaymentKind",
    "Period",
    "RunState",
    "SalesReport",
    "Shift",
    "StockLevel",
    "Store",
    "TaskRun",
    "TaskTry",
    "TryOutcome",
    "WorkerProcess",
]
