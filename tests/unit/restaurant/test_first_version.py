"""The event types of the first version are stored as they were sent, and read as statements."""

import pytest

import neural
from neural.events.registry import HANDLERS, handles
from neural.models import NeuralEvent, TaskRun
from neural.restaurant.models import Order, Payment
from neural.restaurant.schemas import OrderStated, PaymentStated
from neural.tasks import process_neural_event

pytestmark = pytest.mark.django_db

GUIDES_CALL = {
    "event_id": "order-1001",
    "event_type": "order.created",
    "event_source": "till-1",
    "store_id": "S01",
    "data": {
        "order_id": "1001",
        "lines": [{"name": "牛肉面", "quantity": "2", "price": "28.00"}],
    },
}
"""As docs/reference/celery.md has it."""


@pytest.fixture
def handed():
    """What a project's own handlers of two types of the first version get."""
    found = []

    @handles("order.created", "payment.completed", name="project.note")
    def note(event, data):
        found.append((event.type, data))

    yield found
    del HANDLERS._things["project.note"]
    HANDLERS._changed()


def test_the_guides_own_call_is_stored_as_sent_and_fires_a_projects_handler(fake_broker, handed):
    process_neural_event.apply_async(kwargs=GUIDES_CALL, priority=10)

    neural.run_due()

    event = NeuralEvent.objects.get()
    assert (event.type, event.payload) == ("order.created", GUIDES_CALL["data"])
    assert sorted(TaskRun.objects.values_list("handler", flat=True)) == [
        "neural.record_order",
        "project.note",
    ]
    ((kind, data),) = handed
    assert (kind, data.order_id, data.lines[0].name) == ("order.created", "1001", "牛肉面")
    assert isinstance(data, OrderStated)
    order = Order.objects.get(key="1001")
    assert (order.total, order.number) == (56, "1001")


def test_a_payment_is_read_as_a_statement_with_what_only_its_own_schema_knows(fake_broker, handed):
    payload = {"payment_id": "P1", "order_id": "1001", "amount": "9", "method": "kaching"}
    more = {"tip": "no", "drawer": 3}
    event = {"type": "payment.completed", "store": "S01", "source": "till", "event_id": "p"}

    neural.submit(**event, payload=payload | more)
    neural.run_due()

    assert NeuralEvent.objects.get().payload == payload | more
    ((_, data),) = handed
    assert isinstance(data, PaymentStated)
    assert (data.tip, data.method, data.model_extra["drawer"]) == (0, "kaching", 3)
    assert Payment.objects.get().tender == "kaching"
