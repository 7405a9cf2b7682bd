"""Fill what workers of the first version leave out of orders and payments."""

from functools import cache
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import router

from neural.models import Store
from neural.restaurant.filling import RowsHeld, fill_orders, fill_payments
from neural.restaurant.models import Order, Payment


class Command(BaseCommand):
    help = (
        "Fill numbers, business days and sums that workers of a version before the tills did not "
        "write. Run it once, after the last of them has stopped; `migrate` has filled the rows "
        "that existed then."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        using = router.db_for_write(Order)
        store_of = cache(lambda code: Store.objects.using(using).get(pk=code))
        try:
            orders = fill_orders(Order, using=using, progress=self._progress)
            payments = fill_payments(Payment, store_of, using=using, progress=self._progress)
        except RowsHeld as error:
            raise CommandError(str(error)) from error
        finally:
            self.stderr.write("")
        self.stdout.write(f"Filled {orders:,} orders and {payments:,} payments.")

    def _progress(self, rows: int) -> None:
        self.stderr.write(".", ending="")
