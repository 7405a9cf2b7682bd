"""The ASGI application, for a server such as uvicorn."""

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zhilian.settings")

_application = get_asgi_application()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer a request; the first one begins to load what searches need."""
    from zhilian.warming import warm_once  # needs the settings

    warm_once()
    await _application(scope, receive, send)
