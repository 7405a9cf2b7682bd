"""Which of a store's statements of its whole menu is the newest."""

from collections.abc import Collection, Iterable

from django.db import models
from django.utils.translation import gettext_lazy as _

from neural.ledger import dialects
from neural.models.store import Store
from neural.restaurant.models.newest import NewestQuerySet, version_field


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
