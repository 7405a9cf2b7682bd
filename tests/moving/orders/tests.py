from django.test import TestCase, override_settings

from orders.models import Order
from orders.tasks import send_receipt


@override_settings(CELERY_TASK_ALWAYS_EAGER=True)
class ReceiptTests(TestCase):
    def test_an_order_gets_its_receipt(self):
        order = Order.objects.create()
        send_receipt.delay(order.pk)
        order.refresh_from_db()
        assert order.receipts == 1
