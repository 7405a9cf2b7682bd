"""What people do to search indexes and to records that were refused."""

from typing import Any

from django.contrib import messages
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.admin import audit
from neural.admin.actions import Verb
from neural.admin.display import link
from neural.errors import NeuralError
from neural.retrieval.models import IndexState, SearchIndex


def _rebuild(index: SearchIndex, user: Any) -> bool:
    # Not before somebody asks: vector stores are large to load.
    from neural.retrieval.index.rebuilding import open_rebuild

    try:
        open_rebuild(index.collection, requested_by=user.get_username())
    except NeuralError:  # a collection that is not registered any more
        return False
    return True


def _what_came_of_it(index: SearchIndex) -> tuple[int, SafeString]:
    built = SearchIndex.objects.filter(collection=index.collection).order_by("-pk").first()
    text = _("{} is being built; until it is ready, search goes on with the index before.")
    return messages.SUCCESS, format_html(text, link(built))


REBUILD = Verb(
    name="rebuild",
    label=gettext_lazy("Rebuild"),
    explanation=gettext_lazy("Rebuild: build the index of these collections anew"),
    permission="neural_retrieval.rebuild_searchindex",
    apply=_rebuild,
    fits=lambda index: index.state == IndexState.ACTIVE,
    change=lambda index: audit.REBUILT,
    tell=_what_came_of_it,
    whole_chain=True,
)
CANCEL = Verb(
    name="cancel",
    label=gettext_lazy("Cancel"),
    explanation=gettext_lazy("Cancel: give up building; the index that is searched stays"),
    permission="neural_retrieval.rebuild_searchindex",
    apply=lambda index, user: index.cancel(),
    fits=lambda index: index.state == IndexState.BUILDING,
    change=lambda index: audit.BUILDING_CANCELLED,
    whole_chain=True,
)
RETRY = Verb(
    name="retry",
    label=gettext_lazy("Try again"),
    explanation=gettext_lazy("Try again: index these records that were refused"),
    permission="neural_retrieval.rebuild_searchindex",
    apply=lambda mark, user: mark.retry(),
    fits=lambda mark: bool(mark.error),
    change=lambda mark: audit.INDEXED_AGAIN,
)
