"""The registry of the admin's pages, and ``register``, which puts them on a site of your own."""

import html
import re
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, TypeVar

from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.utils.html import escape

from neural.kit.optional import PARTS
from neural.kit.sites import on_site
from neural.personal.redacting import redacted_text, sees_personal_data, viewing

Page = TypeVar("Page", bound=type[Any])

_pages: dict[type[Model], type[admin.ModelAdmin]] = {}


def page(model: type[Model]) -> Callable[[Page], Page]:
    """Decorator: registers the model's pages on the default site and for :func:`register`, in the
    place of those that another app has registered."""

    def decorate(model_admin: Page) -> Page:
        _pages[model] = model_admin
        if admin.site.is_registered(model):
            admin.site.unregister(model)
        admin.site.register(model, model_admin)
        return model_admin

    return decorate


def register(site: admin.AdminSite) -> None:
    """Give an admin site of your own all pages of Neural, and those of django-celery-beat and
    django-celery-results if they are installed.

    A model that the site has registered already is left alone. Links in the pages lead to pages of
    the same site; the default site need not be in the URLs at all.
    """
    for part in filter(apps.is_installed, PARTS):
        import_module(f"{part}.admin")  # Django imports them only if the default site is used
    for model, model_admin in _pages.items():
        if not site.is_registered(model):
            site.register(model, model_admin)


def on_its_site(view: Callable[..., HttpResponse], site: str) -> Callable[..., HttpResponse]:
    """A view of the admin whose addresses are those of this site, and whose answers show personal
    data to those alone who may see it."""

    @wraps(view)
    def staying(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with on_site(site), viewing(request.user):
            response = view(request, *args, **kwargs)
        if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
            if response.context_data:  # the tabs lead to what Django's sidebar lists
                response.context_data["is_nav_sidebar_enabled"] = False
            _render_on(response, site, request.user)
            return response
        return without_personal_data(response, request.user)

    return staying


def _render_on(response: SimpleTemplateResponse, site: str, user: Any) -> None:
    """Render the response on this site, for this user: Django calls the columns only after the view
    has ended."""
    render = response.render

    def render_there() -> SimpleTemplateResponse:
        del response.render  # so that what is rendered can be pickled
        with on_site(site), viewing(user):
            return without_personal_data(render(), user)

    response.render = render_there  # type: ignore[method-assign]


MASKED = "data-masked"
"""Marks an element whose text has been masked by its keys; it is not looked through again."""

# What a user typed into a form is left to the user, and scripts hold nothing of a row.
_LEFT = r"<(?P<left>textarea|script|style)\b.*?</(?P=left)\s*>|<pre[^>]*\bdata-masked\b.*?</pre\s*>"
_PLACES = re.compile(
    rf"(?P<skip>{_LEFT})"
    r"""|(?P<name>\s(?:title|aria-label|alt|data-[a-z-]+)=)"(?P<attribute>[^"<>]{6,})\""""
    r"|>(?P<text>[^<]*[0-9０-９@＠=][^<]*)",
    re.DOTALL | re.IGNORECASE,
)
_KINDS = ("text/html", "text/plain", "application/json")


def without_personal_data(response: Any, user: Any) -> Any:
    """The answer as this user may see it. An answer that is streamed must see to it itself."""
    if response.streaming or not response.content or sees_personal_data(user):
        return response
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    if kind in _KINDS:
        _mask(response, is_html=kind == "text/html")
    return response


def _mask(response: HttpResponse, *, is_html: bool) -> None:
    text = response.content.decode(response.charset)
    masked = _PLACES.sub(_masked, text) if is_html else redacted_text(text)
    if masked != text:
        response.content = masked.encode(response.charset)
        if "Content-Length" in response.headers:
            response.headers["Content-Length"] = str(len(response.content))


def _masked(found: re.Match[str]) -> str:
    if found["skip"]:
        return found[0]
    if found["name"]:
        return f'{found["name"]}"{_of(found["attribute"])}"'
    return ">" + _of(found["text"])


def _of(escaped: str) -> str:
    text = html.unescape(escaped)
    masked = redacted_text(text)
    return escaped if masked == text else escape(masked)
