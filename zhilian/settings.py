"""Django's and Celery's settings for Zhilian Neural.

Every environment variable is read in `environment.py`; `.env.example` lists them.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_lazy as _

from zhilian import cache, database, environment, logs, mail, state
from zhilian.celery import app as celery_app  # noqa: F401  (the application of every task)

BASE_DIR = Path(__file__).resolve().parent.parent
_environment = environment.read(environment=os.environ, base_dir=BASE_DIR)
_ninja: Any = find_spec("ninja")

# The only place that is written to: database, search index, broker's file, secret key, collected
# static files and the logs of `manage.py up`.
VAR = state.make_var(_environment.var)

SECRET_KEY = _environment.secret_key or state.secret_key(VAR)
SECRET_KEY_FALLBACKS = _environment.secret_key_fallbacks
DEBUG = _environment.debug
ALLOWED_HOSTS = _environment.allowed_hosts
CSRF_TRUSTED_ORIGINS = _environment.csrf_trusted_origins

# ZHILIAN_HTTPS means that a proxy ends TLS in front of the web process. It is not derived from
# DEBUG: `make up` serves plain HTTP on loopback, where a secure cookie would prevent the login.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = _environment.https
SECURE_HSTS_SECONDS = 31_536_000 if _environment.https else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _environment.https else None
# Probes of the machine's own network ask the web process itself, where there is no TLS.
SECURE_REDIRECT_EXEMPT = ["^(metrics|healthz|livez|readyz)$"]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    "neural",
    "neural.restaurant",
    "neural.retrieval",
    "neural.forecasting",
    "zhilian.demo",
    "neural.logins",
    "neural.api",
    "neural.hooks",
    "neural.monitoring",
    "zhilian",
    "django_celery_results",
    "django_celery_beat",
    "zhilian.admin_site.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "zhilian.middleware.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Behind WhiteNoise, whose files are compressed already.
    "zhilian.middleware.CompressedPages",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "neural.logins.middleware.LoginThrottle",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "zhilian.urls"
WSGI_APPLICATION = "zhilian.wsgi.application"
ASGI_APPLICATION = "zhilian.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": database.configuration(
        url=_environment.database_url,
        var=VAR,
        base_dir=BASE_DIR,
        connect_seconds=_environment.database_connect_seconds,
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = [
    # First: it rejects a login that has failed too often, before a password is checked.
    "neural.logins.backends.ThrottledLogins",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
# Chinese texts that django-celery-beat and django-celery-results lack.
LOCALE_PATHS = [BASE_DIR / "zhilian" / "library_texts"]
TIME_ZONE = "Asia/Shanghai"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
# Swagger UI, for the page of the API. "ninja" among the apps would have every worker load it.
STATICFILES_DIRS = [f"{place}/static" for place in _ninja.submodule_search_locations or ()]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
# WhiteNoise warns if its directory is missing; before `collectstatic` it is just empty.
STATIC_ROOT.mkdir(exist_ok=True)
# With DEBUG, files are served from the apps themselves: no collectstatic while editing.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
if DEBUG:
    STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"

LOG_LEVEL = _environment.log_level
LOGGING = logs.configuration(LOG_LEVEL)

# Without a server, alerts by e-mail say that it is missing (neural.monitoring looks whether these
# are set).
if _environment.email_url:
    _mail = mail.server(_environment.email_url)
    EMAIL_HOST, EMAIL_PORT = _mail.host, _mail.port
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.user, _mail.password
    EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.starttls, _mail.tls
    EMAIL_TIMEOUT = 10
if _environment.email_from:
    DEFAULT_FROM_EMAIL = SERVER_EMAIL = _environment.email_from

_default_embedder = not {"embedder", "embedder_options"} & _environment.neural.keys()
# The ledger's settings; docs/reference/settings.md has them all with their defaults.
NEURAL = {
    "default_time_zone": "Asia/Shanghai",
    "default_country": "CN",
    # The default embedder's weights, which processes share.
    **({"embedder_options": {"weights": str(VAR / "weights")}} if _default_embedder else {}),
    **_environment.neural,
}

# --- Celery -----------------------------------------------------------------------------------
# What this deployment chooses. Queues, acknowledgement, transport options and the like are the
# defaults of `neural.LedgerCelery` (neural/celeryapp/app.py).
# Broker: database 1 of Redis; database 0 is for cache and sessions, 2 for results.
EMBEDDED_BROKER_DIRECTORY = VAR / "broker"
EMBEDDED_BROKER = _environment.broker_url is None
CELERY_BROKER_URL = _environment.broker_url or state.broker_url(EMBEDDED_BROKER_DIRECTORY)

# Sessions are in the database and read through the cache, so losing the cache locks nobody out.
CACHES = {
    "default": cache.configuration(_environment.cache_url or cache.cache_url(CELERY_BROKER_URL))
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"

# Results of plain tasks: where they go, and that they are kept only if a task asks for it
# (ignore_result=False). The ledger keeps every outcome of ledger tasks.
CELERY_RESULT_BACKEND = _environment.result_backend
CELERY_TASK_IGNORE_RESULT = True
# Without this, neither a task's name nor, with django-celery-results, its traceback is kept.
CELERY_RESULT_EXTENDED = True

# Workers. The visibility timeout of Redis follows from prefetch and hard limit.
CELERY_WORKER_PREFETCH_MULTIPLIER = _environment.prefetch_multiplier
CELERY_TASK_SOFT_TIME_LIMIT = _environment.soft_time_limit
CELERY_TASK_TIME_LIMIT = _environment.time_limit
CELERY_WORKER_CONCURRENCY = _environment.concurrency
CELERY_WORKER_MAX_TASKS_PER_CHILD = _environment.max_tasks_per_child
