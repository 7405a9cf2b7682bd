"""One day of the shop: calls each task as its views do, and prints what became of it."""

import time

from celery import chain, chord, group
from orders.models import Noted, Order
from orders.tasks import (
    call_courier,
    charge,
    load_van,
    print_label,
    quote,
    send_receipt,
    weigh,
)

Noted.objects.all().delete()
order = Order.objects.create()
counting = Order.objects.create(state="counting")

patience = {"timeout": 240}
send_receipt.delay(order.pk).get(**patience)
print("quote:", quote.delay(6).get(**patience))
print("failure:", repr(quote.delay(-1).get(**patience, propagate=False)))
print("chain:", chain(charge.s(order.pk), send_receipt.s()).delay().get(**patience)[:16])
print("group:", group(weigh.s(parcel) for parcel in (1, 2, 3)).delay().get(**patience))
print("chord:", chord(weigh.s(parcel) for parcel in (1, 2, 3))(load_van.s()).get(**patience))
print("retries:", call_courier.delay(order.pk).get(**patience)[-9:])
print("route:", print_label.delay(order.pk).get(**patience)[:5])
seen = Noted.objects.exclude(task="orders.tasks.count_orders").order_by("signal", "task")
deadline = time.monotonic() + 240
while time.monotonic() < deadline and (
    Order.objects.filter(pk=counting.pk, state="counting") or seen.count() < 16
):
    time.sleep(0.1)
counting.refresh_from_db()
print("schedule:", counting.state)
order.refresh_from_db()
print("order:", order.state, order.receipts, "receipts")
for signal, task in seen.values_list("signal", "task").distinct():
    count = Noted.objects.filter(signal=signal, task=task).count()
    print("signal:", signal, task.rpartition(".")[2], count)
