"""The admin pages of search: the search page, indexes, records that wait.

Its main names are ``SearchAdmin`` (hits while one types), ``SearchIndexAdmin`` (progress and
notices) and ``answer_to`` (what a search answers to a user). Django loads it with the other admin
modules; the templatetags of this app use its displays.
"""

from neural.retrieval.admin import indexes, page, phones, records

__all__ = ["indexes", "page", "phones", "records"]
