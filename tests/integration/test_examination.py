"""A real worker examines, and the home shows what it found, whatever is away."""

import pytest

from neural.monitoring.models import Examination
from tests.integration.cluster import PATIENT
from tests.unit.admin import admin_world as world
from tests.watching import wait_until

pytestmark = pytest.mark.integration


def facts() -> dict:
    row = Examination.objects.filter(pk=1).first()
    return row.facts if row else {}


def home(client) -> str:
    response = client.get("/admin/")
    assert response.status_code == 200
    return response.content.decode()


def test_with_the_broker_away_workers_go_on_examining_and_the_home_says_so(cluster):
    client = world.superuser()
    assert "No relay has looked yet" in home(client)

    # A broker that answers late would be an alert, and its flapping another one, of half an hour.
    cluster.worker(examine_seconds=0.5, **PATIENT)
    wait_until(lambda: facts().get("broker", {}).get("up"), 60)
    assert [each["running"] for each in facts()["processes"]] == [0]
    assert facts()["queues"]["default"]["readers"] == 1

    cluster.broker.stop()
    wait_until(lambda: "does not answer" in home(client), 60)
    assert not facts()["broker"]["up"]
    assert "No relay has looked" not in home(client)
    assert len(facts()["processes"]) == 1

    cluster.broker.start()
    # The home names open alerts, too, and these end after the facts are written.
    # One that has been open for half a minute, as on a busy machine, is kept for a minute more.
    wait_until(lambda: "does not answer" not in home(client), 120)
    assert facts()["broker"]["up"]
