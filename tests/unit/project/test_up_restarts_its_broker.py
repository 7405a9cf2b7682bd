"""`manage.py up` starts its broker again, and lives on if that fails."""

import pytest

from zhilian.supervision import __main__ as up
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
def test_a_broker_that_does_not_start_is_told_and_tried_again_after_a_while(monkeypatch, why):
    clock, lines = [100.0], []
    monkeypatch.setattr(up.time, "monotonic", lambda: clock[0])
    broker = Broker(why)
    at_each_tick = up.Restarting(broker, lines.append)

    at_each_tick()
    at_each_tick()
    assert (broker.asked, broker.pid) == (1, None)
    assert len(lines) == 1
    assert "event=broker_not_restarted" in lines[0]

    clock[0] += up.RESTART_SECONDS
    at_each_tick()
    at_each_tick()
    assert (broker.asked, broker.pid) == (2, 7)
    assert "event=broker_restarted" in lines[-1]
