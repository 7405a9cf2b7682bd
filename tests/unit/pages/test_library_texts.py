"""The pages of django-celery-beat and django-celery-results are in Chinese, too."""

import re
from collections.abc import Iterator
from pathlib import Path

import polib
import pytest
from django.contrib import admin
from django.utils import translation

LIBRARIES = ("django_celery_beat", "django_celery_results", "auth", "admin")
CATALOGUE = Path(__file__).parents[3] / "zhilian/library_texts/zh_Hans/LC_MESSAGES/django.po"
UNTRANSLATABLE = {
    "Task Name",  # django-celery-beat does not mark it
    "interval",
    "solar",
    "crontab",
    "clocked",
}


def texts() -> Iterator[str]:
    """Names and explanations of models, fields, sections and actions on the libraries' pages."""
    for model, pages in admin.site._registry.items():
        if model._meta.app_label not in LIBRARIES:
            continue
        yield str(model._meta.verbose_name)
        yield str(model._meta.verbose_name_plural)
        for field in model._meta.get_fields():
            yield str(getattr(field, "verbose_name", ""))
            yield str(getattr(field, "help_text", ""))
        for title, section in pages.fieldsets or ():
            yield str(title or "")
            yield str(section.get("description", ""))
        for name in pages.actions or ():
            action = getattr(type(pages), name, None) if isinstance(name, str) else name
            yield str(getattr(action, "short_description", ""))


def test_every_text_of_the_libraries_pages_is_chinese_in_chinese() -> None:
    with translation.override("zh-hans"):
        found = set(texts()) - UNTRANSLATABLE

    assert {text for text in found if re.search("[A-Za-z]{4}", text) and not chinese(text)} == set()


def chinese(text: str) -> bool:
    return bool(re.search(r"[\u4e00-\u9fff]", text))


def test_the_compiled_catalogue_says_what_its_source_says() -> None:
    source, compiled = polib.pofile(str(CATALOGUE)), polib.mofile(str(CATALOGUE.with_suffix(".mo")))

    assert {each.msgid: each.msgstr for each in compiled} == {
        each.msgid: each.msgstr for each in source
    }


@pytest.mark.parametrize("text", ["Schedule", "Task State"])
def test_english_stays_as_it_is(text: str) -> None:
    with translation.override("en"):
        assert translation.gettext(text) == text
