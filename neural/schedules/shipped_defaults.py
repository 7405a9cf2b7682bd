"""Rows that an app ships: created once, after the migrations that bring their tables.

Each is created together with a note of it (:class:`~neural.models.ShippedDefault`), in one
transaction. So after a `migrate` that was interrupted the next one creates it, and what people
delete does not come back.
"""

from collections.abc import Callable
from typing import Any

from django.apps import AppConfig, apps
from django.db import connections, router, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.models.signals import post_migrate

from neural.models import ShippedDefault


def connect(
    app: AppConfig, *, name: str, create: Callable[[str], object], beside: str = ""
) -> None:
    """After each `migrate`: call ``create`` with the database's alias, unless that was done before,
    or the tables of this app and of the app ``beside`` are not all there yet."""

    def after_migration(*, using: str, plan: Any = None, **_: Any) -> None:
        if plan is None or (beside and not apps.is_installed(beside)):  # no plan: a `flush`
            return
        labels = {ShippedDefault._meta.app_label, app.label, beside} - {""}
        allowed = all(router.allow_migrate(using, label) for label in labels)
        if allowed and _are_migrated(labels, using):
            create_once(name, create, using=using)

    uid = f"neural: {name}"
    post_migrate.connect(after_migration, sender=app, weak=False, dispatch_uid=uid)


def create_once(name: str, create: Callable[[str], object], *, using: str) -> None:
    """Call ``create`` unless something of this name was created before."""
    with transaction.atomic(using=using):
        if ShippedDefault.objects.using(using).get_or_create(name=name)[1]:
            create(using)


def _are_migrated(labels: set[str], using: str) -> bool:
    loader = MigrationLoader(connections[using])
    last = [each for label in labels for each in loader.graph.leaf_nodes(label)]
    return all(each in loader.applied_migrations for each in last)
