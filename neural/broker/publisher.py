"""Publishes messages, each of which says 'something is due'.

A message carries a run's task id and nothing else; the work itself is described in the ledger.
Losing a message costs time, never work. So publishing may fail, and must never make a caller wait:

* It has its own connection with short timeouts, so a broker that is down or frozen costs the
  caller about a second, once.
* After that failure a circuit breaker is open: nothing is published until a probe, in its own
  thread, has written to the broker again (a full broker, or a replica, can still be read).
  Meanwhile the relay publishes later.
* In Django's test environment nothing is published unless ``publish_in_tests`` asks for it: the
  database is the test's own, but the broker is the project's.
"""

import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TypeVar

from celery import current_app
from celery.exceptions import QueueNotFound
from kombu import Producer

from neural.broker.connections import (
    close_quietly,
    depth_of,
    keep_client,
    must_accept,
    short_tempered_connection,
)
from neural.broker.message import RunMessage, messages_for, send
from neural.kit.conf import conf
from neural.ledger.on_commit import call_on_commit
from neural.ledger.ports import AnyRun

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class BrokerUnavailable(ConnectionError):
    """The broker did not accept all messages; at most ``sent`` of them were published before."""

    sent = 0

    def __init__(self, reason: object) -> None:
        text = str(reason) or type(reason).__name__  # a timeout has no text
        super().__init__(f"the broker is not available: {text}")


class Publisher:
    """A connection for publishing, with a circuit breaker. One for each process; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._declared: set[str] = set()
        self._tells = False
        self._open = threading.Event()

    @property
    def breaker_is_open(self) -> bool:
        """Whether nothing is published until the broker is back."""
        return self._open.is_set()

    def publish(self, messages: Sequence[RunMessage]) -> int:
        """Publish messages and return how many, or raise :class:`BrokerUnavailable`."""
        if is_test_environment() and not conf().publish_in_tests:
            raise BrokerUnavailable("a test publishes nothing without NEURAL['publish_in_tests']")
        sent = 0

        def send_all(producer: Producer) -> None:
            nonlocal sent
            # Many messages are one round trip, where kombu and its transport can.
            batch = getattr(producer, "batch", nullcontext) if len(messages) > 1 else nullcontext
            with batch():
                for message in messages:
                    sent += self._send_if_possible(producer, message)

        try:
            self.lend(send_all)
        except BrokerUnavailable as error:
            error.sent = sent
            raise
        return sent

    def depths(self, queues: Sequence[str]) -> dict[str, int]:
        """The number of messages waiting in each queue. Raises :class:`BrokerUnavailable`."""
        return self.lend(lambda it: {queue: depth_of(it.channel, queue) for queue in queues})

    def must_accept(self) -> None:
        """Do nothing, or raise :class:`BrokerUnavailable` if the broker would accept no message."""
        self.lend(lambda it: must_accept(it.channel))

    def lend(self, use: Callable[[Producer], Result]) -> Result:
        """Return ``use`` of the producer, or raise :class:`BrokerUnavailable`."""
        with self._lock:
            if self.breaker_is_open:
                raise BrokerUnavailable("waiting until it is back")
            try:
                return use(self._connected())
            except Exception as error:  # whatever a transport raises, the relay publishes later
                self._give_up(error)
                raise BrokerUnavailable(error) from error

    def close(self) -> None:
        """Drop the connection; the next call makes a new one."""
        producer, self._producer, self._declared = self._producer, None, set()
        if producer is not None:
            close_quietly(producer.connection)

    def _send_if_possible(self, producer: Producer, message: RunMessage) -> bool:
        """Send a message, unless its queue is not configured, which is not the broker's fault."""
        try:
            self._send(producer, message)
        except QueueNotFound:
            logger.error("event=queue_unknown queue=%s run=%s", message.queue, message.task_id)
            return False
        return True

    def _send(self, producer: Producer, message: RunMessage) -> None:
        send(producer, message, declare=message.queue not in self._declared, tells=self._tells)
        self._declared.add(message.queue)

    def _connected(self) -> Producer:
        if self._producer is None:
            connection = short_tempered_connection()
            try:
                channel = connection.default_channel
            except BaseException:
                close_quietly(connection)
                raise
            keep_client(channel)
            self._producer = Producer(channel, auto_declare=False)
            self._tells = bool(current_app.conf.task_send_sent_event)  # slow to read
        return self._producer

    def _give_up(self, error: BaseException) -> None:
        self.close()
        if not self._open.is_set():
            self._open.set()
            logger.warning("event=broker_lost error=%r", str(error) or type(error).__name__)
            every = conf().publish_probe_seconds
            threading.Thread(
                target=self._probe, args=(every,), name="neural-broker-probe", daemon=True
            ).start()

    def _probe(self, every: float) -> None:
        pause = threading.Event()
        while not pause.wait(every):
            try:
                _ask_whether_it_accepts()
            except Exception as error:  # noqa: BLE001 (a transport raises what it likes)
                logger.debug("event=broker_still_lost error=%r", str(error))
                continue
            self._open.clear()
            logger.info("event=broker_back")
            return


def is_test_environment() -> bool:
    """Whether Django's ``setup_test_environment`` was called in this process, as by its test runner
    and by pytest-django. Django asks itself so, too, and has no public name for it: ``mail.outbox``
    is also there where a project keeps its e-mails in memory."""
    utils = sys.modules.get("django.test.utils")  # who has not imported it called nothing of it
    return hasattr(getattr(utils, "_TestState", None), "saved_data")


def _ask_whether_it_accepts() -> None:
    """Check over a new connection that the broker accepts messages; otherwise raise its error."""
    connection = short_tempered_connection()
    try:
        must_accept(connection.default_channel)
    finally:
        close_quietly(connection)


_publisher = Publisher()


def publisher() -> Publisher:
    """This process's publisher."""
    return _publisher


def _start_afresh() -> None:
    global _publisher
    _publisher = Publisher()  # the parent's socket, lock and probe thread stay with the parent


os.register_at_fork(after_in_child=_start_afresh)


def announce(runs: Sequence[AnyRun]) -> None:
    """Publish the messages for new runs when the transaction commits.

    The messages are made at once, because a caller's transaction may hold a million runs, most of
    which are batched and need no message.
    """
    messages = messages_for(runs)
    if messages:
        call_on_commit(publish_quietly, messages)


def publish_quietly(messages: Sequence[RunMessage]) -> None:
    """Publish messages as far as possible, for ``on_commit``. A failure is logged, never raised."""
    try:
        publisher().publish(messages)
    except BrokerUnavailable as error:
        left = len(messages) - error.sent
        logger.debug("event=publish_left_to_relay runs=%d reason=%r", left, str(error))
