"""The models, one story a file."""

from neural.forecasting.models.forecast import Forecast
from neural.forecasting.models.plan import Publishing, Strategy, TrainingPlan
from neural.forecasting.models.privacy_spend import PrivacySpend
from neural.forecasting.models.round import GroupSum, RoundState, RoundTransition, TrainingRound
from neural.forecasting.models.store_update import StoreUpdate, UpdateState
from neural.forecasting.models.version import ActiveModel, ModelVersion, Standing
from neural.models.event import NeuralEvent
from neural.models.refused_event import Door, RefusalState, RefusedEvent
from neural.models.run import RunState, TaskRun, TaskTry, TryOutcome
from neural.models.store import Store
from neural.models.worker import WorkerProcess
from neural.restaurant.models.demand import DailyDemand, SalesReport
from neural.restaurant.models.dish import Dish
from neural.restaurant.models.order import Order, OrderState
from neural.restaurant.models.order_line import OrderLine
from neural.restaurant.models.payment import Payment, PaymentKind
from neural.restaurant.models.staff import Shift
from neural.restaurant.models.stock import StockLevel
from neural.restaurant.models.summary import DemandSummary, Period
from neural.retrieval.models.index_gap import IndexGap
from neural.retrieval.models.index_lane import IndexLane
from neural.retrieval.models.index_mark import IndexMark
from neural.retrieval.models.search import Search
from neural.retrieval.models.search_index import IndexState, SearchIndex
from neural.retrieval.models.supplied_record import SuppliedRecord

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
