"""The tutorials, each followed to the letter in an empty folder, with real workers."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cluster import RedisServer
from tests.integration.elsewhere import StrangersProject, Walk
from tests.watching import wait_until
from zhilian.supervision.embedded import EmbeddedBroker

pytestmark = [pytest.mark.integration, pytest.mark.once, pytest.mark.takes(seconds=150)]
# Their services are their own.

OPEN = """
from django.contrib.auth import get_user_model
from django.test import Client

client = Client(SERVER_NAME="localhost")
client.force_login(get_user_model().objects.get(username="boss"))
answer = [[address, client.get(address).status_code] for address in {addresses}]
"""


@pytest.fixture
def project(tmp_path_factory) -> Iterator[StrangersProject]:
    """An empty folder and a broker."""
    broker = EmbeddedBroker(tmp_path_factory.mktemp("broker"))
    broker.start()
    project = StrangersProject(tmp_path_factory.mktemp("folder"), broker.url)
    yield project
    project.destroy()
    broker.stop()


def test_three_shops_are_there_when_their_page_was_followed(project):
    walk = Walk("tutorial/three-shops.md", project)

    walk.follow()

    addresses = walk.addresses()
    assert len(addresses) > 5
    assert project.ask(OPEN.format(addresses=addresses)) == [[each, 200] for each in addresses]


MOVING = Path(__file__).parents[1] / "moving"

SEND = """
from orders.models import Order
from orders.tasks import call_courier, send_receipt

waiting = Order.objects.create(state="waiting")
send_receipt.delay(waiting.pk)
send_receipt.apply_async((waiting.pk,), countdown=1)
answer = waiting.pk
"""

RECEIPTS = """
from orders.models import Order

answer = Order.objects.get(state="waiting").receipts
"""


class Move(Walk):
    """The page that moves the shop, and the shop's day."""

    DAY = "python manage.py shell < day.py"

    def day(self) -> list[str]:
        """What it printed last, without Django's own line."""
        return [line for line in self.printed.pop(self.DAY).splitlines() if ": " in line]


def test_a_celery_project_moves_and_its_day_stays_the_same(project, tmp_path):
    shutil.copytree(MOVING, project.directory, dirs_exist_ok=True)
    results = RedisServer(tmp_path / "results", database=2)
    results.start()
    project.environment["CELERY_RESULT_BACKEND"] = results.url
    project.settings = "shop.settings"
    move = Move("tutorial/move-celery.md", project)

    move.follow("1. ")
    before = move.day()
    move.stop()
    project.ask(SEND)

    move.follow("2. ")
    assert move.day() == before
    assert project.ask(RECEIPTS) == 0
    move.follow("3. ")
    wait_until(lambda: project.ask(RECEIPTS) == 2, 600)
    move.stop()

    move.follow("4. ")
    assert move.day() == before
    move.follow("5. ")
    move.stop("beat")
    move.follow("7. ")
    move.stop()

    shutil.copytree(MOVING, project.directory, dirs_exist_ok=True)
    move.follow("The code of before")
    assert move.day() == before
    results.stop()
