"""The ASGI application, for a server such as uvicorn."""

import os

from django.core.asgi import get_asgi_application

from zhilian.preloading import preload

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zhilian.settings")

application = get_asgi_application()
preload()
