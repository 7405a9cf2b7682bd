"""`manage.py up` starts its broker again, and lives on if that fails."""

import pytest

from zhilian.management.commands import up
from zhilian.supervision.embedded import BrokerAlreadyRunning, BrokerDidNotStart

pytestmark = pytest.mark.once


class Broker:
    """One that has died, and fails to start for these reasons first."""

    url = "redis://nowhere"

    def __init__(self, *fails):
        self.pid, self.asked, self._fails = None, 0, list(fails)

    def start(self):
        self.asked += 1
        if self._fails:
            raise self._fails.pop()
        self.pid = 7


@pytest.mark.parametrize(
    "why", [BrokerDidNotStart("see broker.log"), BrokerAlreadyRunning(), OSError(28, "No space")]
)
def test_a_broker_that_does_not_start_is_told_and_tried_again_after_a_while(
    settings, monkeypatch, caplog, why
):
    settings.EMBEDDED_BROKER = True
    clock = [100.0]
    monkeypatch.setattr(up.time, "monotonic", lambda: clock[0])
    broker = Broker(why)
    at_each_tick = up.Restarting(broker)

    at_each_tick()
    at_each_tick()
    assert (broker.asked, broker.pid) == (1, None)
    assert caplog.text.count("event=broker_not_restarted") == 1

    clock[0] += up.RESTART_SECONDS
    at_each_tick()
    at_each_tick()
    assert (broker.asked, broker.pid) == (2, 7)
    assert "event=broker_restarted" in caplog.text
