"""The models of monitoring, by room."""

from neural.monitoring.models.alerts import (
    OPEN_STATES,
    Alert,
    AlertChannel,
    AlertMessage,
    AlertMessageState,
    AlertRule,
    AlertState,
    ChannelKind,
    Severity,
)
from neural.monitoring.models.errors import (
    ErrorGroup,
    ErrorGroupHit,
    ErrorGroupHour,
    ErrorGroupState,
    FailedRun,
)
from neural.monitoring.models.examination import Examination, Retention
from neural.monitoring.models.figures import (
    EventFigures,
    FiguresBase,
    HourFigures,
    MinuteFigures,
    ReadMark,
    Tally,
    TotalEvents,
    TotalFigures,
)

__all__ = [
    "OPEN_STATES",
    "Alert",
    "AlertChannel",
    "AlertMessage",
    "AlertMessageState",
    "AlertRule",
    "AlertState",
    "ChannelKind",
    "ErrorGroup",
    "ErrorGroupHit",
    "ErrorGroupHour",
    "ErrorGroupState",
    "EventFigures",
    "Examination",
    "FailedRun",
    "FiguresBase",
    "HourFigures",
    "MinuteFigures",
    "ReadMark",
    "Retention",
    "Severity",
    "Tally",
    "TotalEvents",
    "TotalFigures",
]
