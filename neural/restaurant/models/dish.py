"""Dishes, each as its newest event states it."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from neural.models.store import Store
from neural.restaurant.models.amounts import amount_field
from neural.restaurant.models.newest import NewestQuerySet, version_field


class DishQuerySet(NewestQuerySet["Dish"]):
    def end_before(self, *, store: str, version: bytes) -> int:
        """Make dishes unavailable whose own statements are older than this version. Returns how
        many were available."""
        older = self.filter(store=store, version__lt=version, available=True)
        return older.update(available=False)


class Dish(models.Model):
    """A dish that a store has or had on its menu."""

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="dishes", db_index=False
    )
    code = models.CharField(_("dish"), max_length=200)
    name = models.CharField(_("name"), max_length=200)
    category = models.CharField(_("category"), max_length=100, blank=True, default="")
    price = amount_field(_("price"), null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True, default="")
    available = models.BooleanField(_("available"), default=True)
    details = models.JSONField(
        _("details"),
        default=dict,
        blank=True,
        encoder=DjangoJSONEncoder,
        help_text=_("Whatever else the store says about the dish."),
    )
    version = version_field()

    objects = DishQuerySet.as_manager()

    class Meta:
        db_table = "neural_dish"
        verbose_name = _("dish")
        verbose_name_plural = _("dishes")
        constraints = (
            # Its index also finds a store's menu. Chains have thousands of dishes, not millions.
            models.UniqueConstraint(fields=("store", "code"), name="neural_dish_identity"),
            models.CheckConstraint(
                condition=Q(price__gte=0), name="neural_dish_price_not_negative"
            ),
        )

    def __str__(self) -> str:
        return self.name
