"""Wraps the views of an admin, also those that a subclass or another app adds to its addresses."""

from collections.abc import Callable
from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpResponse
from django.urls import URLPattern

View = Callable[..., HttpResponse]


def wrap_views(
    model_admin: type[Any], wrapped: Callable[[URLPattern, ModelAdmin], View]
) -> type[Any]:
    """Give each address of these admins the view that ``wrapped`` returns for it, around what was
    wrapped before; returns the class, for decorators."""
    urls_before = model_admin.urls.fget

    def urls(self: ModelAdmin) -> list[URLPattern]:
        patterns: list[URLPattern] = urls_before(self)
        for pattern in patterns:
            pattern.callback = wrapped(pattern, self)
        return patterns

    model_admin.urls = property(urls)
    return model_admin
