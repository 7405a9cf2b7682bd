"""The admin pages of search."""

from neural.retrieval.admin import indexes, page, records, similar

__all__ = ["indexes", "page", "records", "similar"]
