"""The lines of orders."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from neural.models.amounts import amount_field
from neural.models.order import Order
from neural.models.store import StoreScopedQuerySet


class OrderLineQuerySet(StoreScopedQuerySet):
    store_field = "order__store"


class OrderLine(models.Model):
    """One dish of an order. The dish need not be known: a till may be ahead of the menu."""

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
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")
        ordering = ("order", "position")
        constraints = (
            # Also the index by which an order finds its lines.
            models.UniqueConstraint(fields=("order", "position"), name="neural_line_position"),
            models.CheckConstraint(
                condition=Q(quantity__gte=0, price__gte=0, amount__gte=0),
                name="neural_line_not_negative",
            ),
        )

    def __str__(self) -> str:
        return self.name or self.dish
