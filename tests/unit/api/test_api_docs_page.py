"""The page at /api/docs: readable without a script, and nothing from elsewhere."""

import html
import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

pytestmark = pytest.mark.django_db


def page(reader="en", **query):
    response = Client().get("/api/docs", query, headers={"accept-language": reader})
    assert response.status_code == 200
    return response


@pytest.fixture
def document():
    return Client().get("/api/v1/openapi.json").json()


def operations(document):
    return [each for methods in document["paths"].values() for each in methods.values()]


def test_it_is_open_to_everybody_and_allows_its_own_style_sheet_alone():
    response = page()

    policy = response["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert response["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_it_has_no_script_no_inline_style_and_loads_nothing_from_other_hosts(language):
    text = page(language).content.decode()

    for forbidden in ("<script", "<style", " style=", "javascript:", "<img", "<iframe", " onclick"):
        assert forbidden not in text
    links = re.findall(r'(?:href|src)="([^"]*)"', text)
    assert links
    assert all(link.startswith(("#", "/", "?")) and not link.startswith("//") for link in links)


def test_its_style_sheet_exists_and_loads_nothing():
    (name,) = re.findall(r'rel="stylesheet" href="/static/([^"]+)"', page().content.decode())

    path = finders.find(name)
    assert path is not None
    with open(path) as sheet:
        text = sheet.read()
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text


def test_it_shows_every_operation_with_its_address_scope_and_curl_line(document):
    text = page().content.decode()

    for operation in operations(document):
        assert f'<article id="{operation["operationId"]}">' in text
        assert f'href="#{operation["operationId"]}"' in text
        assert html.escape(operation["summary"]) in text
    assert text.count('<pre class="line"') == len(operations(document))
    for path in document["paths"]:
        assert f"<code>{path}</code>" in text


def test_every_link_within_the_page_leads_somewhere():
    text = page().content.decode()

    identities = re.findall(r' id="([^"]+)"', text)
    assert len(set(identities)) == len(identities)
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(identities)


def test_a_curl_line_sends_the_example():
    lines = [
        html.unescape(each)
        for each in re.findall(
            r'<pre class="line"[^>]*><code>(.*?)</code>', page().content.decode()
        )
    ]

    assert 'curl -H "Authorization: Bearer $KEY" http://testserver/api/v1/events/4711' in lines
    (retry,) = [line for line in lines if "runs/retry" in line]
    assert retry.startswith("curl -X POST")
    assert '\'Content-Type: application/json\' --data-binary \'{"states": ["dead"]' in retry


def test_it_is_in_the_readers_language_or_in_the_one_that_is_asked_for():
    chinese = page("zh-hans")

    assert chinese["Content-Language"] == "zh-hans"
    assert '<html lang="zh-hans">' in chinese.content.decode()
    assert page("en", language="zh-hans").content == chinese.content
    assert page("en", language="xx")["Content-Language"] == "en"
    assert page("en", language="<script>").content == page("en").content


def test_it_describes_parameters_fields_and_problems():
    text = page().content.decode()

    assert "<code>sums.owed</code>" in text
    assert "<code>lines[].price</code>" in text
    assert "application/problem+json" in text
    assert "The member <code>next</code> of the page before." in text


def test_it_links_to_the_document():
    assert 'href="/api/v1/openapi.json"' in page().content.decode()
