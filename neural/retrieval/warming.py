"""Loads the model and the vector store while somebody types a question: the first search would wait
for them, for seconds.

A web process in which nobody opens the search page loads neither.
"""

import gc
import logging
import threading
from functools import cache

from neural.retrieval.choosing import embedder, vector_store
from neural.retrieval.conf import conf
from neural.retrieval.text import sound_of

logger = logging.getLogger(__name__)


@cache
def warm_once() -> None:
    """Begin to load them in a thread, unless this process has begun already or search is off."""
    if conf().search:
        threading.Thread(target=_warm, name="neural-warming", daemon=True).start()


def _warm() -> None:
    try:
        vector_store()
        embedder().embed(["warm"])
        sound_of("温")
        # Else each dozen searches would wait for a collection that looks at all of it.
        gc.collect()
        gc.freeze()
    except Exception as error:  # noqa: BLE001 (the search itself says what is wrong)
        logger.info("event=search_not_warmed error=%r", str(error))
