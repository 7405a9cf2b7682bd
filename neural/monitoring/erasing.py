"""What erases a person from error groups, alerts and the messages about them."""

from neural.events.erasing import Erasable, register_erasable
from neural.monitoring.models import Alert, AlertMessage, ErrorGroup, Examination

TABLES = (
    Erasable(name="error groups", model=ErrorGroup, fields=("message", "root"), store=""),
    Erasable(name="alerts", model=Alert, fields=("facts",), store="store_code"),
    Erasable(
        name="messages about alerts", model=AlertMessage, fields=("content", "answer"), store=""
    ),
    Erasable(name="examinations", model=Examination, fields=("findings", "facts"), store=""),
)


def connect() -> None:
    """Register the tables."""
    for each in TABLES:
        register_erasable(each)
