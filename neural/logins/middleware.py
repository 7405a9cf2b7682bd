"""Answers a throttled login with status 429 and the time to wait."""

import re
from typing import Any

from django.conf import settings
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from neural.logins.counting import KNOWN_FOR

COOKIE = "neural_browser"
"""Random; tells a browser from which somebody has logged in."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")


def sentence(seconds: int) -> str:
    """The message for the person. ``seconds`` is the remaining wait."""
    if seconds > 90:
        minutes = {"minutes": -(-seconds // 60)}
        return _("Too many failed logins. Try again in %(minutes)d min.") % minutes
    return _("Too many failed logins. Try again in %(seconds)d s.") % {"seconds": seconds}


class LoginThrottle(MiddlewareMixin):
    """Turns a page that says 'wrong password' into one that says how long to wait.

    It must come after LocaleMiddleware, which sets its language.
    """

    def process_request(self, request: HttpRequest) -> None:
        """Read by which browser it comes; the cookie is worth nothing unless the browser is
        known to the account."""
        browser = request.COOKIES.get(COOKIE, "")
        request.login_browser = browser if _TOKEN.fullmatch(browser) else ""  # type: ignore

    def process_template_response(self, request: HttpRequest, response: Any) -> Any:
        """Show the message in the page's form, if it has one."""
        form = (response.context_data or {}).get("form")
        if (seconds := _waits(request)) and isinstance(form, BaseForm):
            form.errors.clear()
            form.add_error(None, sentence(seconds))
            response.status_code = 429
        return response

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Replace any other answer, and set Retry-After; after a login, set the cookie."""
        if getattr(request, "is_login", False):
            response.set_cookie(
                COOKIE,
                request.login_browser,  # type: ignore[attr-defined]
                max_age=KNOWN_FOR,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        if not (seconds := _waits(request)):
            return response
        if response.status_code != 429:
            response = HttpResponse(sentence(seconds), status=429, content_type="text/plain")
        response.headers["Retry-After"] = str(seconds)
        return response


def _waits(request: HttpRequest) -> int:
    return getattr(request, "login_waits", 0)
