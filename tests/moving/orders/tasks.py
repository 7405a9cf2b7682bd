from celery import shared_task
from django.db.models import F

from orders.models import Order


@shared_task
def charge(order):
    Order.objects.filter(pk=order).update(state="charged")
    return order


@shared_task
def send_receipt(order):
    Order.objects.filter(pk=order).update(receipts=F("receipts") + 1)
    return f"receipt of order {order}"


@shared_task
def weigh(parcel):
    return parcel * 2


@shared_task
def load_van(weights):
    return sum(weights)


@shared_task
def quote(parcels):
    if parcels < 0:
        raise ValueError("fewer than no parcels")
    return parcels * 7


@shared_task(bind=True, max_retries=5)
def call_courier(self, order):
    if self.request.retries < 2:
        raise self.retry(exc=ConnectionError("busy"), countdown=0.2)
    return f"order {order} is fetched, told at attempt {self.request.retries + 1}"


@shared_task
def print_label(order):
    return f"label of order {order}"


@shared_task
def count_orders():
    Order.objects.filter(state="counting").update(state="counted")
