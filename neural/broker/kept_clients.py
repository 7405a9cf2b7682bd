"""One Redis client for a channel, and not one or two for each of its messages.

kombu makes one whenever it sends, takes or acknowledges a message: a third of what sending one
costs, and of what a worker's main process does for one that it throws away. They all share the
channel's pool of connections, so one does as well for as long as the channel has that pool.
"""

from typing import Any


def keep_client(channel: Any) -> None:
    """Let this channel use its client again. No other broker's channel has clients."""
    make = getattr(channel, "_create_client", None)
    if make is None or "_create_client" in vars(channel):
        return
    kept: list[Any] = []

    def client(asynchronous: bool = False) -> Any:
        if asynchronous:
            return make(asynchronous)
        pool = channel.pool  # raises what it raised before, when the broker is gone
        if not kept or kept[0].connection_pool is not pool:
            kept[:] = [make()]
        return kept[0]

    channel._create_client = client
