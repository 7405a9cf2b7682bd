"""The WSGI application, for a server such as gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

from zhilian.preloading import preload

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zhilian.settings")

application = get_wsgi_application()
preload()
