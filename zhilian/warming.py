"""Loads the search model of a web process before somebody searches: the first search would wait for
it, for seconds.

It begins with the process's first request, in a thread of its own. By then a server such as
gunicorn has forked, and the model's threads and locks would not survive a fork.
"""

import logging
import threading

from neural.retrieval.conf import conf

logger = logging.getLogger(__name__)

_began = threading.Event()


def warm_once() -> None:
    """Begin to load the model, unless this process has begun already or search is off."""
    if _began.is_set():
        return
    _began.set()
    if conf().search:
        threading.Thread(target=_warm, name="zhilian-warming", daemon=True).start()


def _warm() -> None:
    try:
        from neural.retrieval.choosing import embedder

        embedder().embed(["warm"])
    except Exception as error:  # noqa: BLE001 (the search itself says what is wrong)
        logger.info("event=search_not_warmed error=%r", str(error))
