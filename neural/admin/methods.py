"""Pages answer GET, HEAD and POST. Django's admin shows a page to every other method, too."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from neural.admin.wrapped_views import wrap_views

METHODS = ("GET", "HEAD", "POST")


def answers_pages_alone(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Decorator: the view answers 405 to methods that no page has."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method not in METHODS:
            return HttpResponseNotAllowed(METHODS)
        return view(request, *args, **kwargs)

    return answer


def refuses_other_methods(model_admin: type[Any]) -> type[Any]:
    """Class decorator: so do all addresses of these admins, on whatever site."""
    return wrap_views(model_admin, lambda pattern, pages: answers_pages_alone(pattern.callback))
