"""Every list that pages by key has links to its other pages, whichever app it belongs to."""

import pytest
from django.contrib import admin
from django.template.loader import select_template
from django.test import RequestFactory

from neural.admin.paging import KeysetChangeList


def keyset_models() -> list[type]:
    request = RequestFactory().get("/")
    return [
        model
        for model, model_admin in admin.site._registry.items()
        if issubclass(model_admin.get_changelist(request), KeysetChangeList)
    ]


@pytest.mark.parametrize("model", keyset_models(), ids=lambda model: model._meta.label)
def test_a_list_that_pages_by_key_links_to_older_rows(model: type) -> None:
    meta = model._meta  # type: ignore[attr-defined]
    names = (f"{meta.app_label}/{meta.model_name}/", f"{meta.app_label}/", "")
    chosen = select_template([f"admin/{name}pagination.html" for name in names])

    class Page:
        keyset, result_count, older_url = True, 50, "?before=3"

    assert 'href="?before=3"' in chosen.render({"cl": Page})
