"""Fixtures of tests that call the domain, without workers or a broker."""

import time

import hypothesis
import pytest
from django.conf import settings
from django_celery_beat.models import PeriodicTask

from neural.broker import publisher
from neural.broker.message import RunMessage
from neural.broker.publisher import BrokerUnavailable
from neural.hooks.outgoing import subscribed
from neural.ledger import execute, ports
from neural.monitoring.machines import views
from neural.monitoring.rollups import folding
from neural.runs import counting
from tests.unit.retrieval import searching
from tests.unit.schedules import beating

# However slow the machine, one message's time is enough for the whole batch of a test. Tests
# of that time set their own.
settings.NEURAL = {"batch_claim_seconds": 60, **settings.NEURAL}
# So is that of a page that counts, of a relay's turn that adds up, and of a statement that looks
# whether the database is ready.
counting.SECONDS = folding.LONGEST_TURN_SECONDS = views.DATABASE_SECONDS = 60


# On a busy machine an example may take any time.
hypothesis.settings.register_profile("any time", deadline=None)
hypothesis.settings.load_profile("any time")


class RecordingPublisher(publisher.Publisher):
    """Keeps the messages instead of sending them; `away` makes it fail like a lost broker."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[RunMessage] = []
        self.waiting: dict[str, int] = {}
        self.away = False

    def publish(self, messages):
        if self.away:
            raise BrokerUnavailable("away")
        messages = list(messages)
        self.sent += messages
        return len(messages)

    def must_accept(self):
        if self.away:
            raise BrokerUnavailable("away")

    def depths(self, queues):
        if self.away:
            raise BrokerUnavailable("away")
        return {queue: self.waiting.get(queue, 0) for queue in queues}


@pytest.fixture(autouse=True)
def _pace_unlearned():
    """How fast one test's work was is nothing to the next."""
    yield
    execute._seconds_a_run.clear()


@pytest.fixture(autouse=True)
def _nobody_subscribes(monkeypatch):
    """That no subscription is there is known, until a test saves one: the query by which a process
    learns it every few seconds would be counted by whichever test comes then."""
    monkeypatch.setattr(subscribed, "_known", (frozenset(), float("inf")))


@pytest.fixture
def fake_broker(monkeypatch):
    """What this test publishes goes here: `fake_broker.sent`."""
    recording = RecordingPublisher()
    monkeypatch.setattr(publisher, "_publisher", recording)
    return recording


class Passing:
    """A monotonic clock that stands still until the test says how much time passes."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time_that(monkeypatch):
    """`time_that.passes(20)`, as this process's own clock counts it; nobody really sleeps."""
    passing = Passing()
    monkeypatch.setattr(time, "monotonic", passing)
    monkeypatch.setattr(time, "sleep", passing.passes)
    return passing


@pytest.fixture
def clock(db, monkeypatch):
    """What beat takes for the time; no schedule is there yet."""
    PeriodicTask.objects.all().delete()  # what migrations put there
    return beating.Clock().rules(monkeypatch)


@pytest.fixture
def beat(clock, fake_broker):
    """A beat on that clock, as just started."""
    return beating.Beat()


@pytest.fixture
def search_on(settings):
    """Search is on, with a store in memory and an embedder of a few numbers."""
    searching.MemoryStore.forget()
    searching.TinyEmbedder.calls.clear()
    searching.TinyEmbedder.fails.clear()
    settings.NEURAL = searching.SETTINGS
    yield
    searching.MemoryStore.forget()


@pytest.fixture
def guests():
    """A collection of an app's own; what it returns holds the records."""
    with searching.collection("guests") as shelf:
        yield shelf


@pytest.fixture
def clients():
    """Another one."""
    with searching.collection("clients") as shelf:
        yield shelf


@pytest.fixture
def waiting(monkeypatch) -> set[str]:
    """The task ids of runs that are claimed, and wait for their turn in a batch."""
    noted: set[str] = set()

    def note(runs, *, waiting):
        ids = {run.task_id for run in runs}
        noted.update(ids) if waiting else noted.difference_update(ids)

    monkeypatch.setattr(ports, "note_waiting", note)
    return noted
