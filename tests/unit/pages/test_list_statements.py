"""No page of a list counts a large table or skips rows of one, whatever is chosen on it.

The walk finds lists by itself, and on each list whatever it offers to choose.
"""

import html
import re
from collections.abc import Callable, Iterator, Sequence

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from neural.admin.scope import ReadOnlyAdmin
from neural.kit.keyset.bounded import MOST_ROWS
from neural.models import QueuePause
from tests.unit.admin import admin_rows
from tests.unit.admin import admin_world as world
from tests.unit.admin.exports import list_of, named

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

LISTS = [model._meta.model_name for model in admin_rows.registered(*world.OURS, "neural_logins")]
MOST_CHOICES = 8
"""Links of a page that are followed."""
FEW_ROWS = {
    model._meta.db_table
    for model, model_admin in admin.site._registry.items()
    if not isinstance(model_admin, ReadOnlyAdmin) or model is QueuePause
}
"""What people write by hand: nobody writes a million of these."""


def large_tables() -> set[str]:
    """The tables of our apps that grow with what happens."""
    labels = (*world.OURS, "neural_logins")
    models = [each for label in labels for each in apps.get_app_config(label).get_models()]
    return {each._meta.db_table for each in models} - FEW_ROWS


def faults_of(sql: str) -> Iterator[str]:
    """What the statement does to a large table that it may not."""
    large = [name for name in re.findall(r'FROM "(\w+)"', sql) if name in large_tables()]
    if not large:
        return
    # A count of rows that are limited inside reads no more than these.
    if re.search(r"COUNT\(", sql) and " LIMIT " not in sql and " GROUP BY " not in sql:
        yield f"counts {large}: {sql}"
    # The row at which a bounded reading ends is found by skipping less than that reading.
    if any(int(skipped) >= MOST_ROWS for skipped in re.findall(r"OFFSET (\d+)", sql)):
        yield f"skips rows of {large}: {sql}"


def read(client: Client, address: str) -> tuple[str, Sequence[str]]:
    """The page, and what is wrong with the statements that it took."""
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(address)
    faults = [f"{address} {fault}" for each in asked for fault in faults_of(each["sql"])]
    return answer.content.decode() if answer.status_code == 200 else "", faults


def choices_on(page: str) -> list[str]:
    """The queries to which links of the page lead: filters, tabs, columns, other pages."""
    found = re.findall(r'href="(\?[^"#]*)"', page)
    return list(dict.fromkeys(html.unescape(each) for each in found))[:MOST_CHOICES]


def of_one_store() -> Client:
    """A user who may see everything of one store."""
    user = get_user_model().objects.create_user("lee", is_staff=True)
    views = Permission.objects.filter(codename__startswith="view_")
    user.user_permissions.set(views.exclude(codename="view_every_store"))
    world.store(admin_rows.STORE).operators.add(user)
    return world.logged_in(user)


@pytest.mark.parametrize("model", LISTS)
@pytest.mark.parametrize("of", [world.superuser, of_one_store])
def test_a_list_counts_and_skips_nothing_whatever_is_chosen_on_it(
    model: str, of: Callable[[], Client]
) -> None:
    admin_rows.row_of(named(model))
    client, address = of(), list_of(model)

    page, faults = read(client, address)
    for query in (*choices_on(page), "?q=none", "?before=99", "?after=0"):
        faults += read(client, address + query)[1]

    assert not faults


@pytest.mark.parametrize(
    ("sql", "is_fault"),
    [
        ('SELECT COUNT(*) AS "__count" FROM "neural_taskrun" WHERE state = 1', True),
        ('SELECT COUNT(*) FROM (SELECT 1 FROM "neural_taskrun" LIMIT 1001) subquery', False),
        ('SELECT id FROM "neural_neuralevent" ORDER BY id LIMIT 50 OFFSET 100000', True),
        ('SELECT id FROM "neural_neuralevent" ORDER BY id LIMIT 1 OFFSET 2499', False),
        ('SELECT COUNT(*) FROM "neural_store"', False),
        ('SELECT COUNT(*) FROM "neural_tasktry"', True),
    ],
)
def test_the_walk_knows_a_fault_when_it_sees_one(sql: str, is_fault: bool) -> None:
    assert bool(list(faults_of(sql))) is is_fault
