"""The WSGI application, for a server such as gunicorn."""

import os
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zhilian.settings")

_application = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer a request; the first one begins to load what searches need."""
    from zhilian.warming import warm_once  # needs the settings

    warm_once()
    return _application(environ, start_response)
