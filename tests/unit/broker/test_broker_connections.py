"""A connection to the broker: a channel makes one Redis client and keeps it."""

from types import SimpleNamespace

import pytest

from neural.broker.connections import keep_client


class Channel:
    """kombu's to Redis, as far as clients go."""

    def __init__(self) -> None:
        self.pool = object()

    def _create_client(self, asynchronous=False):
        return SimpleNamespace(connection_pool=self.pool, asynchronous=asynchronous)


@pytest.fixture
def channel():
    channel = Channel()
    keep_client(channel)
    return channel


def test_a_channel_makes_one_client_for_all_of_its_messages(channel):
    assert channel._create_client() is channel._create_client()


def test_what_listens_for_messages_has_a_client_of_its_own(channel):
    one, other = (channel._create_client(asynchronous=True) for _ in range(2))

    assert one.asynchronous
    assert one is not other


def test_connections_that_were_given_up_are_not_used_again(channel):
    before = channel._create_client()
    channel.pool = object()

    assert channel._create_client().connection_pool is channel.pool is not before.connection_pool
    assert channel._create_client() is channel._create_client()


def test_a_broker_that_is_gone_is_heard_of_as_before(channel):
    class Gone(Channel):
        pool = property(lambda self: (_ for _ in ()).throw(ConnectionError("the broker is gone")))

        def __init__(self) -> None:
            pass

    gone = Gone()
    keep_client(gone)

    with pytest.raises(ConnectionError, match="gone"):
        gone._create_client()


def test_a_channel_is_seen_to_once(channel):
    """By each of many tasks' strategies."""
    kept = channel._create_client
    keep_client(channel)

    assert channel._create_client is kept


def test_another_brokers_channel_is_left_as_it_is():
    channel = SimpleNamespace()
    keep_client(channel)

    assert not vars(channel)
