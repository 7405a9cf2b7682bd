from pathlib import Path

import pytest

import neural
from neural.kit.storable import escaped, is_storable, storable


@pytest.mark.parametrize("text", ["", "麻婆豆腐 🍜", "\x01\x7f\u2028\uffff", "\\u0000"])
def test_what_a_database_keeps_stays_as_it_is(text):
    assert is_storable(text)
    assert storable(text) == escaped(text) == text


@pytest.mark.parametrize("unkept", [chr(0), *map(chr, (0xD800, 0xDBFF, 0xDC00, 0xDFFF))])
def test_nul_and_half_of_a_pair_are_replaced_or_escaped(unkept):
    text = f"a{unkept}b"

    assert not is_storable(text)
    assert storable(text) == "a\ufffdb"
    assert storable(text, "") == "ab"
    assert escaped(text) == f"a\\u{ord(unkept):04x}b"


def test_an_escaped_text_is_no_longer_than_it_may_be():
    assert escaped("\0" * 100, 10) == "\\u0000\\u00"


def test_one_module_says_which_characters_no_database_keeps():
    sources = Path(neural.__file__).parent.rglob("*.py")
    stating = {each.name for each in sources if "\\ud800" in each.read_text()}

    assert stating == {"storable.py"}
