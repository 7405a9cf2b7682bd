"""The project sends a strict Content-Security-Policy with each of its pages."""

import pytest
from django.test import Client

from tests.unit.admin.admin_world import superuser

pytestmark = pytest.mark.django_db

HEADER = "Content-Security-Policy"
PAGES = (
    "/",
    "/admin/",
    "/admin/login/",
    "/admin/neural/taskrun/",
    "/admin/django_celery_beat/periodictask/add/",
    "/admin/jsi18n/",
    "/nothing/here",
    "/api/v1/events",
)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_allows_only_what_comes_from_the_project_itself(page: str) -> None:
    policy = superuser().get(page).headers[HEADER]

    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy


def test_a_page_with_a_stricter_policy_keeps_it() -> None:
    assert Client().get("/api/docs").headers[HEADER].startswith("default-src 'none';")
