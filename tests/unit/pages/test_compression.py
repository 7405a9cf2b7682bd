"""Pages come compressed to browsers that take them so; what is streamed is left as it is."""

import gzip
from typing import Any

import pytest
from django.conf import settings

from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db

GZIP = {"Accept-Encoding": "gzip, br"}


def page(**headers: str) -> Any:
    return world.superuser().get(world.list_of("neuralevent"), headers=headers)


def test_a_page_is_compressed_to_less_than_a_quarter() -> None:
    world.events(30)

    answer = page(**GZIP)

    assert answer["Content-Encoding"] == "gzip"
    assert answer["Content-Length"] == str(len(answer.content))
    assert "Accept-Encoding" in answer["Vary"]
    whole = gzip.decompress(answer.content)
    assert b"</html>" in whole
    assert len(answer.content) < len(whole) / 4


def test_each_answer_is_padded_by_a_random_length() -> None:
    paddings = {page(**GZIP).content[10:].index(b"\0") for _ in range(10)}

    assert len(paddings) > 1


def test_a_page_comes_plain_to_who_does_not_take_gzip() -> None:
    assert "Content-Encoding" not in page()


def test_an_export_is_sent_piece_by_piece_as_it_is_made() -> None:
    world.events(30)

    answer = world.superuser().get(f"{world.list_of('neuralevent')}export.csv", headers=GZIP)

    assert "Content-Encoding" not in answer
    assert b"".join(answer.streaming_content).decode("utf-8-sig").count("\r\n") == 31
    answer.close()


def test_what_is_no_page_is_left_as_it_is(client: Any) -> None:
    answer = client.get("/api/v1/openapi.json", headers=GZIP)

    assert answer.status_code == 200
    assert "Content-Encoding" not in answer


def test_files_that_are_compressed_already_are_not_compressed_again() -> None:
    order = settings.MIDDLEWARE

    assert order.index("zhilian.middleware.CompressedPages") > order.index(
        "whitenoise.middleware.WhiteNoiseMiddleware"
    )
