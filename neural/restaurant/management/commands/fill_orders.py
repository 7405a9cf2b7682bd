"""Fill what workers of the first version leave out of orders and payments."""

from functools import cache, partial
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
        told: dict[str, Any] = {"using": using, "progress": self._progress}
        fillers = {
            "orders": partial(fill_orders, Order, **told),
            "payments": partial(fill_payments, Payment, store_of, **told),
        }
        filled, held = [], []
        for name, fill in fillers.items():
            try:
                filled.append(f"{fill():,} {name}")
            except RowsHeld as error:
                held.append(str(error))
        self.stderr.write("")
        if held:
            raise CommandError("\n".join(held))
        self.stdout.write(f"Filled {' and '.join(filled)}.")

    def _progress(self, rows: int) -> None:
        self.stderr.write(".", ending="")
