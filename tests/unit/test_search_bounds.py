"""What of a record is kept: nothing that a store or a page could not take."""

import datetime as dt

import pytest

from neural.restaurant.documents import dishes, orders
from neural.retrieval.collections import bounds
from neural.retrieval.collections.bounds import bounded
from neural.retrieval.collections.documents import Document, RecordRefused, check
from neural.retrieval.index.fields import tokens_of


def _document(**said) -> Document:
    return Document(**{"id": "1", "title": "麻婆豆腐", **said})


def test_an_ordinary_record_is_kept_as_it_is() -> None:
    document = dishes.document(
        {"id": "1", "title": "麻婆豆腐", "description": "辣", "category": "川"}
    )

    assert bounded(document) == document


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_some_zone_does_not_have_is_none(at: str) -> None:
    assert bounded(orders.document({"id": "1", "items": ["粥"], "placed_at": at})).at is None


def test_a_time_without_a_zone_is_an_error_of_the_record() -> None:
    with pytest.raises(TypeError):
        bounded(_document(at=dt.datetime(2026, 1, 1)))


def test_a_record_of_any_length_is_cut_to_what_is_searched() -> None:
    long = "".join(map(chr, range(0x4E00, 0x9F00))) * 5

    kept = bounded(_document(title=long, names=[long, *map(str, range(999))], text=long, kind=long))

    assert kept.title == long[: bounds.LONGEST_NAME]
    assert kept.names[0] == kept.title
    assert len(kept.names) == bounds.MOST_NAMES
    assert len(kept.text) == bounds.LONGEST_TEXT
    assert len(kept.kind) == bounds.LONGEST_KIND
    assert sum(map(len, tokens_of(kept).values())) < 50_000


def test_names_are_kept_while_all_together_are_not_too_long() -> None:
    kept = bounded(_document(names=["名" * 200] * 100))

    assert sum(map(len, kept.names)) == bounds.LONGEST_NAMES


def test_what_no_database_keeps_becomes_a_space() -> None:
    kept = bounded(_document(title="麻\0婆", names=("\ud800豆",), kind="\udfff", text="a\0"))

    assert (kept.title, kept.names, kept.kind, kept.text) == ("麻 婆", (" 豆",), " ", "a ")


@pytest.mark.parametrize("own", [{"id": "a\0"}, {"id": "\ud800"}, {"store": "\0"}])
def test_an_id_that_no_database_keeps_is_refused(own: dict[str, str]) -> None:
    with pytest.raises(RecordRefused, match="guests"):
        check(_document(**own), collection="guests")
