"""The page of the API: Swagger UI under its Content-Security-Policy."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.once]


def test_the_page_shows_every_operation_and_breaks_no_policy(browse) -> None:
    pages = browse()
    page = pages.open("/api/docs")
    page.wait_for_selector(".opblock")
    document = page.request.get(f"{pages.address}/api/v1/openapi.json").json()

    operations = sum(len(methods) for methods in document["paths"].values())
    assert page.locator(".opblock").count() == operations
    page.locator(".opblock-summary").first.click()
    page.locator(".opblock.is-open .try-out__btn").click()
    page.wait_for_selector(".opblock.is-open textarea")
    assert pages.complaints == []
