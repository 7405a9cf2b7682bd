"""The page at /api/docs: Swagger UI's own files, nothing inline, and nothing from elsewhere."""

import json
import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from neural.api import urls


def page(**options):
    response = Client().get("/api/docs", **options)
    assert response.status_code == 200
    return response


def test_it_is_open_to_everybody_and_allows_this_hosts_files_alone():
    response = page()

    policy = response["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert response["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_it_has_nothing_inline_and_loads_nothing_from_other_hosts(language):
    text = page(headers={"accept-language": language}).content.decode()

    assert f'<html lang="{language}">' in text
    for forbidden in ("<style", " style=", "javascript:", "<img", "<iframe", " onclick"):
        assert forbidden not in text
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL)
    assert all('type="application/json"' in kind or not body for kind, body in scripts)
    links = re.findall(r'(?:href|src)="([^"]*)"', text)
    assert all(re.match(r"/[^/]", link) for link in links)
    for name in re.findall(r'"/static/([^"]+)"', text):
        assert finders.find(name) is not None, name


def test_it_shows_the_document():
    text = page().content.decode()

    (settings,) = re.findall(r'<script id="swagger-settings"[^>]*>(.*?)</script>', text)
    assert json.loads(settings)["url"] == "/api/v1/openapi.json"
    assert '<noscript><p><a href="/api/v1/openapi.json">' in text


def test_without_swaggers_files_the_document_itself_is_shown(monkeypatch):
    monkeypatch.setattr(urls.finders, "find", lambda name: None)

    response = Client().get("/api/docs")

    assert (response.status_code, response["Location"]) == (302, "/api/v1/openapi.json")


def test_it_takes_no_other_method():
    assert Client(enforce_csrf_checks=True).post("/api/docs").status_code == 405
