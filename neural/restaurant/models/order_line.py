"""The lines of orders."""

from collections.abc import Iterable

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from neural.models.store import StoreScopedQuerySet
from neural.restaurant.models.amounts import amount_field
from neural.restaurant.models.order import Order


class OrderLineQuerySet(StoreScopedQuerySet["OrderLine"]):
    store_field = "order__store"

    def replace(self, orders: Iterable[Order]) -> None:
        """Replace the lines of orders that were restated."""
        restated = [order for order in orders if order.new_lines is not None]
        if replaced := [order.pk for order in restated if order.had_lines]:
            self.filter(order__in=replaced).delete()
        self.bulk_create([line for order in restated for line in order.new_lines or ()])


class OrderLine(models.Model):
    """One dish of an order. The dish need not be known, as a till may be ahead of the menu."""

    order = models.ForeignKey(
        Order, models.CASCADE, verbose_name=_("order"), related_name="lines", db_index=False
    )
    position = models.PositiveSmallIntegerField(_("position"))
    dish = models.CharField(_("dish"), max_length=200)
    name = models.CharField(_("name"), max_length=200, blank=True, default="")
    quantity = amount_field(_("quantity"))
    price = amount_field(_("price"))
    amount = amount_field(_("amount"))

    objects = OrderLineQuerySet.as_manager()

    class Meta:
        db_table = "neural_orderline"
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")
        ordering = ("order", "position")
        constraints = (
            # Its index also finds the lines of an order.
            models.UniqueConstraint(fields=("order", "position"), name="neural_line_position"),
            models.CheckConstraint(
                condition=Q(quantity__gte=0, price__gte=0, amount__gte=0),
                name="neural_line_not_negative",
            ),
        )

    def __str__(self) -> str:
        return self.name or self.dish
