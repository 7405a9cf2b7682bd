"""A project with a User model and an admin site of its own, where the default site is not used."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

# Its database is its own.
pytestmark = [pytest.mark.slow, pytest.mark.once]
ROOT = Path(__file__).parents[3]

FILES = {
    "settings.py": """
        SECRET_KEY, DEBUG, ALLOWED_HOSTS = "x" * 50, True, ["testserver"]
        INSTALLED_APPS = [
            "neural", "neural.restaurant", "neural.retrieval", "neural.forecasting",
            "people", "django.contrib.admin.apps.SimpleAdminConfig",
            "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
            "django.contrib.messages", "django.contrib.staticfiles",
        ]
        MIDDLEWARE = [
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ]
        TEMPLATES = [{
            "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
            "OPTIONS": {"context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]},
        }]
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "chain.sqlite3"}}
        AUTH_USER_MODEL, ROOT_URLCONF, STATIC_URL = "people.Person", "urls", "static/"
        USE_TZ, DEFAULT_AUTO_FIELD = True, "django.db.models.BigAutoField"
        CELERY_TASK_ALWAYS_EAGER, NEURAL = False, {"search": False}
    """,
    "people/__init__.py": "",
    "people/models.py": """
        from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
        from django.contrib.auth.models import PermissionsMixin
        from django.db import models

        class People(BaseUserManager):
            def create_superuser(self, badge, **fields):
                return self.create(badge=badge, is_superuser=True, **fields)

        class Person(AbstractBaseUser, PermissionsMixin):
            badge = models.CharField(max_length=20, primary_key=True)
            USERNAME_FIELD, is_staff, objects = "badge", True, People()
    """,
    "people/migrations/__init__.py": "",
    "urls.py": """
        from django.contrib.admin import AdminSite
        from django.urls import path

        import neural.admin

        site = AdminSite("kitchen")
        neural.admin.register(site)
        urlpatterns = [path("kitchen/", site.urls)]
    """,
    "walk.py": """
        import os, re
        from urllib.parse import urljoin

        os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
        import django

        django.setup()
        from django.contrib.auth import get_user_model
        from django.core.management import call_command
        from django.test import Client

        import neural

        call_command("makemigrations", "people", verbosity=0)
        call_command("migrate", verbosity=0)
        call_command("check")
        person = get_user_model().objects.create_superuser("B-17")
        neural.submit(
            type="order.created", store="S1", source="till", event_id="1", requested_by="B-17",
            payload={"order_id": "1", "currency": "CNY",
                     "lines": [{"dish": "Rice", "quantity": 1, "price": "4"}]},
        ).or_raise().store.operators.add(person)
        neural.run_due()
        client, ahead, seen = Client(), ["/kitchen/"], {}
        client.force_login(person)
        while ahead:
            address = ahead.pop()
            place = address.partition("?")[0]
            if place in seen or place.endswith("/logout/") or not place.startswith("/kitchen/"):
                continue
            answer = client.get(address)
            text = answer.getvalue().decode()  # a file is sent while it is made
            seen[place] = answer.status_code
            for link in re.findall(r'(?:href|action|hx-get)="([^"#]+)', text):
                ahead.append(urljoin(address, link.replace("&amp;", "&")))
                assert ahead[-1].startswith(("/kitchen/", "/static/")) or ahead[-1] == "/", (
                    place, link)
        print("statuses", sorted(set(seen.values())))
        print("\\n".join(sorted(seen)))
    """,
}


def test_all_pages_are_there_for_their_users_and_lead_nowhere_else(tmp_path):
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text))
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DJANGO_")}

    done = subprocess.run(
        [sys.executable, "walk.py"],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "statuses [200, 405]\n" in done.stdout  # buttons are for POST alone
    for page in (
        "neural_restaurant/order/1/change/",
        "neural/taskrun/1/change/",
        "neural/store/S1/change/",
        "neural_retrieval/search/",
    ):
        assert f"/kitchen/{page}\n" in done.stdout
