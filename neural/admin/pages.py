"""Which model has which pages: on the default site, and by one call on a site of one's own."""

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, TypeVar

from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.urls import URLPattern

from neural.optional import PARTS
from neural.sites import on_site

Page = TypeVar("Page", bound=type[Any])

SHOWN_TOO = ("django_celery_beat", "django_celery_results")
"""Apps whose pages belong to ours, where they are installed: schedules, results of plain tasks."""

_pages: dict[type[Model], type[admin.ModelAdmin]] = {}


def page(model: type[Model]) -> Callable[[Page], Page]:
    """Decorator: these are the model's pages, on the default site and in :func:`register`."""

    def decorate(model_admin: Page) -> Page:
        _pages[model] = model_admin
        admin.site.register(model, model_admin)
        return model_admin

    return decorate


def register(site: admin.AdminSite) -> None:
    """Give an admin site of your own all pages of Neural, and those of django-celery-beat and
    django-celery-results where they are installed.

    What the site has registered already stays as it is. Links in the pages lead to pages of the
    same site; the default site need not be in the URLs at all.
    """
    for part in filter(apps.is_installed, PARTS):
        import_module(f"{part}.admin")  # nobody else may, where the default site is not used
    for model, model_admin in [*_pages.items(), *_pages_of_other_apps()]:
        if not site.is_registered(model):
            site.register(model, model_admin)


def _pages_of_other_apps() -> list[tuple[type[Model], type[admin.ModelAdmin]]]:
    """As they are on the default site, where those apps register them."""
    found = filter(apps.is_installed, SHOWN_TOO)
    models = [model for name in found for model in apps.get_app_config(name).get_models()]
    shown = [model for model in models if admin.site.is_registered(model)]
    return [(model, type(admin.site.get_model_admin(model))) for model in shown]


def stays_on_its_site(model_admin: type[Any]) -> type[Any]:
    """Whatever pages of these admins show, its addresses are those of their own site."""
    urls_before = model_admin.urls.fget

    def urls(self: admin.ModelAdmin) -> list[URLPattern]:
        patterns: list[URLPattern] = urls_before(self)
        for pattern in patterns:
            pattern.callback = _staying(pattern.callback, self.admin_site.name)
        return patterns

    model_admin.urls = property(urls)
    return model_admin


def _staying(view: Callable[..., HttpResponse], site: str) -> Callable[..., HttpResponse]:
    @wraps(view)
    def staying(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with on_site(site):
            response = view(request, *args, **kwargs)
        if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
            _render_on(response, site)
        return response

    return staying


def _render_on(response: SimpleTemplateResponse, site: str) -> None:
    """Django renders it after the view has ended, and calls the columns only then."""
    render = response.render

    def render_there() -> SimpleTemplateResponse:
        del response.render  # so that what is rendered can be pickled
        with on_site(site):
            return render()

    response.render = render_there  # type: ignore[method-assign]
