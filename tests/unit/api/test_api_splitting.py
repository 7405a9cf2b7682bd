"""Splitting a batch into its events does not depend on the pieces in which it arrives."""

import json

import pytest

from neural.api.submitting.batch import _Spool
from neural.api.submitting.requests import NotReadable
from neural.api.submitting.splitting import BrokenList, elements, lines

VALUES = [{"a": 'café 😀 \\ " ]},{'}, 12345, -1.5e3, "text", None, True, [], {}, [[1, {"b": "]"}]]]


def pieces(raw, size):
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def read(found):
    def value(element):
        try:
            return element.read()
        except NotReadable as error:
            return str(error)

    return [(element.place, value(element)) for element in found]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 4096])
def test_a_list_has_the_same_elements_in_pieces_of_any_size(size):
    for separators in ((",", ":"), (" ,\n ", " :\t")):
        raw = json.dumps(VALUES, ensure_ascii=False, separators=separators).encode()

        found = read(elements(pieces(b"\xef\xbb\xbf \n" + raw + b"\r\n ", size), 1000))

        assert found == list(enumerate(VALUES))


@pytest.mark.parametrize("size", [1, 5, 4096])
def test_an_element_that_cannot_be_read_ends_where_its_brackets_do(size):
    raw = b'[{"a": "],", "b": nope}, 1, tru, {"a": "\xff"}, {"b": 2}]'

    found = read(elements(pieces(raw, size), 1000))

    assert [place for place, _ in found] == [0, 1, 2, 3, 4]
    assert (found[1], found[4]) == ((1, 1), (4, {"b": 2}))
    assert "is not JSON" in found[0][1]
    assert found[3][1] == "is not UTF-8"


def test_an_element_larger_than_any_event_ends_the_list_before_it_is_read_whole():
    taken = []

    def endless():
        yield b'[1, {"a": "'
        while True:
            taken.append(1)
            yield b"x" * 100

    found = elements(endless(), 1000)

    assert next(found).read() == 1
    with pytest.raises(BrokenList, match="longer than 1,000 bytes"):
        next(found)
    assert len(taken) < 40


@pytest.mark.parametrize("size", [1, 3, 4096])
def test_lines_are_the_same_in_pieces_of_any_size(size):
    raw = b'\xef\xbb\xbf{"a": 1}\n\n  \r\n{"b": "' + "é".encode() + b'"}\r\nnonsense\n3'

    found = read(lines(pieces(raw, size), 1000))

    assert [found[0], found[1], found[3]] == [(1, {"a": 1}), (4, {"b": "é"}), (6, 3)]
    assert "is not JSON" in found[2][1]


def test_a_long_line_is_not_kept_in_memory():
    def one_long_line():
        yield b'{"a": "'
        yield from (b"x" * 100 for _ in range(1000))
        yield b'"}\n{}'

    first, second = lines(one_long_line(), 500)

    assert len(first.raw) == 100
    assert second.place == 2
    assert second.read() == {}


def test_a_spool_gives_back_what_was_put_in_in_order():
    with _Spool() as spool:
        spool.put(b"abcdef")
        assert (spool.take(4), spool.size) == (b"abcd", 2)
        spool.put(b"gh")
        assert (spool.take(100), spool.size) == (b"efgh", 0)
        spool.put(b"xy")
        assert (spool.take(100), spool.size) == (b"xy", 0)


def test_a_list_of_mere_brackets_is_given_up_long_before_its_end():
    taken = []

    def endless():
        while len(taken) < 1000:
            taken.append(1)
            yield b"[" * 64 * 1024

    with pytest.raises(BrokenList, match="more than 100,000 levels"):
        list(elements(endless(), 8 * 1024 * 1024))

    assert len(taken) < 10
