"""The models, one story a file."""

from neural.models.analysis import DemandSummary, Period
from neural.models.demand import DailyDemand, SalesReport
from neural.models.dish import Dish
from neural.models.event import NeuralEvent
from neural.models.forecast import Forecast
from neural.models.index_gap import IndexGap
from neural.models.index_lane import IndexLane
from neural.models.index_mark import IndexMark
from neural.models.order import Order, OrderState
from neural.models.order_line import OrderLine
from neural.models.payment import Payment, PaymentKind
from neural.models.plan import Publishing, Strategy, TrainingPlan
from neural.models.privacy_spend import PrivacySpend
from neural.models.refused_event import Door, RefusalState, RefusedEvent
from neural.models.round import GroupSum, RoundState, RoundTransition, TrainingRound
from neural.models.run import RunState, TaskRun, TaskTry, TryOutcome
from neural.models.search import Search
from neural.models.search_index import IndexState, SearchIndex
from neural.models.staff import Shift
from neural.models.stock import StockLevel
from neural.models.store import Store
from neural.models.store_update import StoreUpdate, UpdateState
from neural.models.supplied_record import SuppliedRecord
from neural.models.version import ActiveModel, ModelVersion, Standing
from neural.models.worker import WorkerProcess

__all__ = [
    "ActiveModel",
    "DailyDemand",
    "DemandSummary",
    "Dish",
    "Door",
    "Forecast",
    "GroupSum",
    "IndexGap",
    "IndexLane",
    "IndexMark",
    "IndexState",
    "ModelVersion",
    "NeuralEvent",
    "Order",
    "OrderLine",
    "OrderState",
    "Payment",
    "PaymentKind",
    "Period",
    "PrivacySpend",
    "Publishing",
    "RefusalState",
    "RefusedEvent",
    "RoundState",
    "RoundTransition",
    "RunState",
    "SalesReport",
    "Search",
    "SearchIndex",
    "Shift",
    "Standing",
    "StockLevel",
    "Store",
    "StoreUpdate",
    "Strategy",
    "SuppliedRecord",
    "TaskRun",
    "TaskTry",
    "TrainingPlan",
    "TrainingRound",
    "TryOutcome",
    "UpdateState",
    "WorkerProcess",
]
