"""The search page as the admin knows it: a name in the list of pages, and a permission."""

from django.utils.translation import gettext_lazy as _

from neural.retrieval.models.search_index import SearchIndex


class Search(SearchIndex):
    """Nothing of its own is kept: whoever may view it may search."""

    class Meta:
        proxy = True
        verbose_name = _("search")
        verbose_name_plural = _("search")
        default_permissions = ("view",)
