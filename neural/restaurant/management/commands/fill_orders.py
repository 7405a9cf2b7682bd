"""Fill what workers of the first version leave out of orders and payments."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import router

from neural.models import Store
from neural.restaurant.filling import fill_orders, fill_payments
from neural.restaurant.models import Order, Payment


class Command(BaseCommand):
    help = (
        "Fill numbers, business days and sums that workers of a version before the tills did not "
        "write. Run it once, after the last of them has stopped; `migrate` has filled the rows "
        "that existed then."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        using = router.db_for_write(Order)
        stores = {store.code: store for store in Store.objects.using(using)}
        orders = fill_orders(Order, using=using, progress=self._progress)
        payments = fill_payments(Payment, stores, using=using, progress=self._progress)
        self.stderr.write("")
        self.stdout.write(f"Filled {orders:,} orders and {payments:,} payments.")

    def _progress(self, rows: int) -> None:
        self.stderr.write(".", ending="")
