"""What follows from the broker's address."""

from neural.broker import connections


def test_each_broker_gets_the_options_that_it_knows():
    redis = connections.transport_options("redis://127.0.0.1/1", time_limit=100)
    rabbitmq = connections.transport_options("amqps://127.0.0.1//", time_limit=100)

    assert redis["visibility_timeout"] == 300
    assert rabbitmq == {"confirm_publish": True}
    assert connections.transport_options("memory://") == {}
