"""`manage.py up` starts its broker again, and lives on if that fails."""

import pytest

from zhilian.management.commands.up import start_again
from zhilian.supervision.embedded import BrokerDidNotStart

pytestmark = pytest.mark.once


class Broker:
    """One that has died."""

    url = "redis://nowhere"

    def __init__(self, *fails):
        self.pid, self._fails = None, list(fails)

    def start(self):
        if self._fails:
            raise self._fails.pop()
        self.pid = 7


@pytest.mark.parametrize("why", [BrokerDidNotStart("see broker.log"), OSError(28, "No space left")])
def test_a_broker_that_does_not_start_is_told_and_tried_again(settings, caplog, why):
    settings.EMBEDDED_BROKER = True
    broker = Broker(why)

    start_again(broker)
    assert "event=broker_not_restarted" in caplog.text

    start_again(broker)
    assert broker.pid == 7
    assert "event=broker_restarted" in caplog.text
