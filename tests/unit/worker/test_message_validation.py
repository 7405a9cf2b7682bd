"""Each message is looked at before Celery does anything with it, in every worker."""

import logging
import re
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from celery import current_app, signals
from celery.exceptions import InvalidTaskError, WorkerShutdown, WorkerTerminate
from celery.worker import state
from celery.worker.consumer import Consumer
from celery.worker.consumer.consumer import UNKNOWN_TASK_ERROR

from neural.broker.envelopes import REFUSED_HEADER, Unsound
from neural.broker.redis import SoundMessage
from neural.worker import ending, message_validation
from neural.worker.message_validation import ValidatingConsumer
from tests import forged
from tests.unit.celeryapp.test_envelopes import CHANNEL


class Channel(SimpleNamespace):
    def __init__(self) -> None:
        super().__init__(**vars(CHANNEL), rejected=[])

    def basic_reject(self, tag, requeue):
        self.rejected.append((tag, requeue))


class Beneath:
    """What Celery's consumer does with a message that is let through."""

    def create_task_handler(self):
        def take(message):
            self.taken.append(message)
            if self.error and REFUSED_HEADER not in message.headers:
                raise self.error

        return take


class Validated(ValidatingConsumer, Beneath):
    def __init__(self, error=None) -> None:
        self.app = current_app
        self.strategies = current_app.tasks
        self.connection_errors = (KeyError, ConnectionError)
        self.taken = []
        self.error = error
        self.receive = self.create_task_handler()


@pytest.fixture
def keeper():
    return Validated()


def message(entry):
    return SoundMessage(entry, channel=Channel())


@pytest.mark.parametrize("name", sorted(forged.DONE))
def test_what_is_sound_goes_on_as_it_is(keeper, name):
    made = message(forged.DONE[name](name))

    keeper.receive(made)

    assert keeper.taken == [made]


LEFT_TO_THE_LEDGER = {
    *("NUL", "half of a pair", "NaN", "Infinity", "over 256 KiB", "over 8 MiB"),
    *("id of 256 characters", "id of 100,000 characters", "id with NUL"),
    *("id half of a pair", "id empty"),
}


@pytest.mark.parametrize("name", sorted(forged.LETTERS.keys() - LEFT_TO_THE_LEDGER))
def test_of_what_asks_a_ledger_task_the_pool_hears_why_it_is_refused(keeper, name):
    made = message(forged.LETTERS[name](name))
    if made.errors:  # as kombu's consumer does
        keeper.on_decode_error(made, made.errors[0][1])
    else:
        keeper.receive(made)

    (substitute,) = keeper.taken
    assert substitute.headers["task"] == forged.TASK
    assert substitute.headers[REFUSED_HEADER]["reason"]
    assert substitute.delivery_tag == made.delivery_tag
    assert made.channel.rejected == []


CELERYS_OWN = {"task unknown", "plain, args a number"}
LOGGED = {
    name: what(name)
    for name, what in {**forged.LOGGED, **forged.PLAIN}.items()
    if not isinstance(what(name), bytes) and name not in CELERYS_OWN
}


@pytest.mark.parametrize("name", sorted(LOGGED))
def test_of_what_nobody_can_keep_there_is_one_line_and_it_does_not_come_back(keeper, caplog, name):
    made = message(LOGGED[name])

    with caplog.at_level(logging.ERROR):
        keeper.receive(made)

    assert keeper.taken == []
    assert made.channel.rejected == [(made.delivery_tag, False)]
    (line,) = caplog.messages
    assert line.startswith("event=message_refused task=")
    assert len(line) < 1500


GUEST = "王小明, 13812345678, 中山路 1 号"


@pytest.mark.parametrize(
    "refuse",
    [
        lambda keeper, made: keeper.refuse(made, "x"),
        lambda keeper, made: keeper.on_unknown_message(None, made),
        lambda keeper, made: keeper.on_invalid_task(None, made, InvalidTaskError("x")),
    ],
)
def test_a_line_has_length_kind_and_hash_of_what_was_refused_and_no_guest(caplog, refuse):
    made = message(forged.entry("x", task=forged.PLAIN_TASK, args=[GUEST]))
    again = message(forged.entry("x", task=forged.PLAIN_TASK, args=[GUEST]))

    for each in (made, again):
        refuse(Validated(), each)

    first, second = caplog.messages
    assert first == second
    assert re.search(r'content="\d+ bytes of (str|bytes), sha256 [0-9a-f]{16}"', first)
    assert not any(part in caplog.text for part in ("王小明", "1381", "中山路", "738b"))
    assert made.channel.rejected == [(made.delivery_tag, False)]


def test_celerys_own_line_of_an_unknown_task_which_quotes_the_message_is_not_written(caplog):
    worker = SimpleNamespace(consumer_cls=Consumer, _process_task=None)
    message_validation.begin(sender=worker)
    own = logging.getLogger(Consumer.__module__)

    own.error(UNKNOWN_TASK_ERROR, "x", GUEST, {"argsrepr": GUEST}, {})
    own.error("another line")

    assert caplog.messages == ["another line"]


def test_what_the_way_on_raises_is_the_messages_own_fault(caplog):
    keeper = Validated(error=KeyError("no such key"))
    made = message(forged.entry("x", task=forged.PLAIN_TASK, args=[1, 2]))

    keeper.receive(made)

    assert made.channel.rejected == [(made.delivery_tag, False)]
    assert "no such key" in caplog.text


def test_a_broker_that_is_away_is_not():
    keeper = Validated(error=ConnectionError("away"))
    made = message(forged.entry("x"))

    with pytest.raises(ConnectionError):
        keeper.receive(made)

    assert made.channel.rejected == []


def test_whoever_was_about_to_acknowledge_it_finds_it_done():
    """Celery does it later, and a second time would end the worker."""
    keeper = Validated(error=RuntimeError("after the acknowledgement was put down"))
    made = message(forged.entry("x", task=forged.PLAIN_TASK, args=[1, 2]))
    acknowledge = made.ack_log_error

    keeper.receive(made)
    acknowledge(logging.getLogger(), ())

    assert made.channel.rejected == [(made.delivery_tag, False)]


def test_one_that_cannot_even_be_kept_is_told(keeper, caplog):
    keeper._take = lambda substitute: [][1]
    made = message(forged.entry("x", body=5))

    keeper.receive(made)

    assert made.channel.rejected == [(made.delivery_tag, False)]
    assert "nor could it be kept" in caplog.text


def test_the_message_of_a_run_has_its_run_and_gets_no_dead_letter(keeper, caplog):
    keeper.receive(message(forged.entry("x", headers={"neural_run": True, "expires": []})))

    assert keeper.taken == []
    assert "its expires is []" in caplog.text


def test_the_message_of_a_run_whose_task_is_plain_here_does_not_call_it_without_its_arguments():
    worker, asked = Validated(), []
    worker.on_unknown_task = lambda body, message, error: asked.append((message, error.args))

    for name in ("probe.plain_add", "probe.count"):
        worker.receive(message(forged.entry("x", headers={"neural_run": True, "task": name})))

    assert [args for _, args in asked] == [("probe.plain_add",)]
    assert [made.headers["task"] for made in worker.taken] == ["probe.count"]


class Controller:
    """A worker as it is when Celery says that it begins."""

    hostname = "w@here"
    exitcode = None
    pool = SimpleNamespace(_pool=SimpleNamespace(_cache={}))
    consumer_cls = "celery.worker.consumer:Consumer"

    def __init__(self, *, ends=None) -> None:
        self.ends = ends
        self.refused = []
        self.consumer = SimpleNamespace(refuse=lambda *what: self.refused.append(what))

    def start(self):
        try:
            if self.ends:
                raise self.ends
        except WorkerTerminate:
            return
        except SystemExit as error:
            self.stop(exitcode=error.code)
        except Exception:
            self.stop(exitcode=1)

    def stop(self, exitcode=None):
        self.exitcode = exitcode

    def _process_task(self, request):
        raise RecursionError("too deep")


def test_a_worker_gets_the_door_in_front_of_whatever_consumer_it_is_configured_with():
    worker = Controller()

    message_validation.begin(sender=worker)

    assert issubclass(worker.consumer_cls, ValidatingConsumer)
    assert issubclass(worker.consumer_cls, Consumer)


def test_every_worker_of_the_process_hears_of_it():
    """Not this project's alone: Celery sends the signal for each application's."""
    names = {key[0] for key, _ in signals.worker_init.receivers}

    assert {"neural.message_validation", "neural.ending"} <= names


def test_what_cannot_be_sent_to_the_pool_is_refused_and_its_job_forgotten():
    worker = Controller()
    request = Mock(id="1")
    jobs = {1: SimpleNamespace(correlation_id="1"), 2: SimpleNamespace(correlation_id="2")}
    worker.pool._pool._cache = jobs
    message_validation.begin(sender=worker)

    worker._process_task(request)

    ((message_, reason),) = worker.refused
    assert message_ is request.message
    assert "RecursionError" in reason
    assert list(jobs) == [2]


@pytest.fixture
def nobody_asked(monkeypatch):
    monkeypatch.setattr(state, "should_stop", None)
    monkeypatch.setattr(state, "should_terminate", None)


@pytest.mark.parametrize(
    "ends", [None, WorkerTerminate(1), SystemExit(0), SystemExit("why"), RuntimeError(), OSError()]
)
def test_a_worker_that_ends_unasked_ends_with_a_code(nobody_asked, ends):
    worker = Controller(ends=ends)
    ending.begin(sender=worker)

    with pytest.raises(SystemExit) as raised:
        worker.start()

    assert raised.value.code == 1


@pytest.mark.parametrize("flag", ["should_stop", "should_terminate"])
def test_a_worker_that_was_told_to_stop_by_a_signal_ends_as_celery_says(
    nobody_asked, monkeypatch, flag
):
    monkeypatch.setattr(state, flag, 0)
    worker = Controller(ends=WorkerTerminate())
    ending.begin(sender=worker)

    worker.start()

    assert worker.exitcode is None


def test_a_worker_that_was_told_to_stop_by_remote_control_ends_with_0(nobody_asked):
    worker = Controller(ends=WorkerShutdown(0))
    ending.begin(sender=worker)

    worker.start()

    assert worker.exitcode == 0


def test_a_message_is_refused_for_what_is_wrong_with_it(keeper):
    with pytest.raises(Unsound, match="its timelimit is 'x' and no pair of seconds"):
        keeper.check(message(forged.LETTERS["timelimit a text"]("x")))
