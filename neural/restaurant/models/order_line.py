"""The lines of orders."""

from collections.abc import Iterable
from decimal import Decimal

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from neural.models.store import StoreScopedQuerySet
from neural.restaurant import codes
from neural.restaurant.models.amounts import QuantityField, amount_field, text_field
from neural.restaurant.models.order import Order
from neural.restaurant.models.rows import insert


class OrderLineQuerySet(StoreScopedQuerySet["OrderLine"]):
    store_field = "order__store"

    def replace(self, orders: Iterable[Order]) -> None:
        """Replace the lines of orders that were restated."""
        restated = [order for order in orders if order.new_lines is not None]
        if replaced := [order.pk for order in restated if order.had_lines]:
            self.filter(order__in=replaced).delete()
        insert(self.model, [line for order in restated for line in order.new_lines or ()])


@codes.named(codes.LineState)
class LineState(models.TextChoices):
    """A gift costs nothing and was cooked; a void line counts nowhere; what is returned in exchange
    for the other lines is taken off them."""

    SOLD = "sold", _("sold")
    GIFT = "gift", _("complimentary")
    VOID = "void", _("void")
    RETURNED = "returned", _("taken back")


@codes.named(codes.LineRole)
class LineRole(models.TextChoices):
    """A modifier changes the line that it belongs to, a component is a part of a combo, and a
    deferred line (a card that is topped up) is paid but no sale."""

    ITEM = "item", _("dish")
    MODIFIER = "modifier", _("modifier")
    COMPONENT = "component", _("part of a combo")
    DEFERRED = "deferred", _("top-up")


class OrderLine(models.Model):
    """One line of an order. Its dish need not be known, as a till may be ahead of the menu."""

    order = models.ForeignKey(
        Order, models.CASCADE, verbose_name=_("order"), related_name="lines", db_index=False
    )
    position = models.PositiveSmallIntegerField(_("position"))
    dish = models.CharField(_("dish"), max_length=200)
    name = models.CharField(_("name"), max_length=200, blank=True, default="")
    demand_dish = text_field(_("changes the dish"), 200)
    line_id = text_field(_("line's own id"), 100)
    parent = models.PositiveSmallIntegerField(
        _("belongs to line"), null=True, blank=True, help_text=_("The position of that line.")
    )
    role = models.CharField(
        _("role"),
        max_length=9,
        choices=LineRole.choices,
        default=LineRole.ITEM,
        db_default=LineRole.ITEM,
    )
    state = models.CharField(
        _("state"),
        max_length=8,
        choices=LineState.choices,
        default=LineState.SOLD,
        db_default=LineState.SOLD,
    )
    quantity = QuantityField(_("quantity"))
    price = amount_field(_("price"))
    discount = amount_field(_("discount"), default=Decimal(0), db_default=Decimal(0))
    amount = amount_field(_("amount"))
    tax = amount_field(_("tax"), null=True, blank=True)
    options = models.JSONField(_("options"), null=True, blank=True, encoder=DjangoJSONEncoder)
    note = text_field(_("note"), 500)

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
