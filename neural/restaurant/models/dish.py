"""Dishes as their newest events state them, menus, and reports of what is sold out."""

from collections.abc import Collection, Iterable

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from neural.ledger import dialects
from neural.models.store import Store, StoreScopedQuerySet
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


class MenuQuerySet(NewestQuerySet["Menu"]):
    def lock(self, stores: Collection[str]) -> None:
        """Let one transaction at a time change the dishes of these stores: a dish and a menu that
        does not name it may arrive at once, and neither transaction would see the other's row."""
        with dialects.preparing_cursor() as cursor:
            dialects.ledger_dialect().lock(cursor, (f"neural.menu/{store}" for store in stores))

    def take(self, menus: Iterable["Menu"]) -> None:
        """Save complete menus, each unless a newer one of its store is known."""
        if menus := list(menus):
            self.upsert_many_if_newer(menus, key=("store",))

    def versions(self, stores: Collection[str]) -> dict[str, bytes]:
        """The versions of the newest complete menus, by store."""
        found = self.filter(store__in=stores).values_list("store", "version")
        return {store: bytes(version) for store, version in found}


class Menu(models.Model):
    """The newest statement of a store's complete menu. A dish whose own newest statement is older
    is not on it, so it is not available. Menus that were stated in part have no row."""

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="menus", db_index=False
    )
    dishes = models.PositiveIntegerField(_("dishes"))
    version = version_field()

    objects = MenuQuerySet.as_manager()

    class Meta:
        db_table = "neural_menu"
        verbose_name = _("menu")
        verbose_name_plural = _("menus")
        constraints = (models.UniqueConstraint(fields=("store",), name="neural_menu_identity"),)

    def __str__(self) -> str:
        return str(self.store_id)


class AvailabilityQuerySet(StoreScopedQuerySet["Availability"]):
    def take(self, reported: Collection["Availability"]) -> None:
        """Keep these reports, each once. They are sorted, so that two transactions cannot
        deadlock."""
        ordered = sorted(reported, key=lambda each: (each.store_id, each.dish, each.version))
        self.bulk_create(ordered, ignore_conflicts=True)


class Availability(models.Model):
    """One report that a dish is sold out, or available again.

    Each report is a row of its own, so in whatever order they arrive the periods between them are
    the same (``restaurant.sold_out``).
    """

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="+", db_index=False
    )
    dish = models.CharField(_("dish"), max_length=200)
    name = models.CharField(_("name"), max_length=200, blank=True, default="")
    at = models.DateTimeField(_("since"))
    sold_out = models.BooleanField(_("sold out"))
    until = models.DateTimeField(_("until"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    till = models.CharField(_("till"), max_length=60, blank=True, default="")
    version = version_field()

    objects = AvailabilityQuerySet.as_manager()

    class Meta:
        db_table = "neural_availability"
        verbose_name = _("sold-out report")
        verbose_name_plural = _("sold-out reports")
        constraints = (
            # Its index also finds the reports of a store's dish.
            models.UniqueConstraint(
                fields=("store", "dish", "version"), name="neural_availability_identity"
            ),
        )
        indexes = (
            # For the reports of a store within a span of time.
            models.Index(fields=("store", "at"), name="neural_availability_by_store"),
        )

    def __str__(self) -> str:
        return self.name or self.dish
