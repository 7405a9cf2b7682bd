"""The admin pages of search."""

from neural.retrieval.admin import indexes, page, phones, records, similar

__all__ = ["indexes", "page", "phones", "records", "similar"]
