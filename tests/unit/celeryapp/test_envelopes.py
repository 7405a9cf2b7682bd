"""What a message must be, so that a worker's main process survives it. Pure: no database."""

import json
import pickle
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kombu.transport.virtual import Base64

from neural.broker import envelopes
from neural.broker.envelopes import (
    REFUSED_HEADER,
    Unsound,
    call_of,
    content_of,
    described,
    printable,
    refusal_in,
    substitute_for,
    survives,
)
from neural.broker.redis import SoundMessage, sound_entry
from tests import forged

CHANNEL = SimpleNamespace(
    decode_body=lambda body, encoding=None: (
        {"base64": Base64()}.get(encoding.lower()).decode(body) if encoding else body
    ),
    no_ack_consumers=None,
)

text = st.text(max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | text
anything = st.recursive(
    scalars,
    lambda part: st.lists(part, max_size=4) | st.dictionaries(text, part, max_size=4),
    max_leaves=12,
)


# However busy the machine is.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def message(entry):
    return SoundMessage(entry, channel=CHANNEL)


@unhurried
@given(anything)
@example({"properties": {"delivery_tag": "t", "delivery_info": {}}})
@example(forged.entry("x") | {"headers": [1]})
def test_a_message_can_be_made_of_every_entry(entry):
    made = message(entry)

    assert isinstance(made.delivery_tag, str)
    assert isinstance(made.delivery_info["exchange"], str)
    assert isinstance(made.headers, dict)
    json.dumps(made._raw)  # as Redis keeps it until it is acknowledged


@unhurried
@given(
    st.sampled_from(["headers", "properties", "body", "content-type", "content-encoding"]), anything
)
def test_a_message_can_be_made_of_an_entry_of_which_any_part_is_anything(part, value):
    made = message(forged.entry("x") | {part: value})

    described(made, "whatever it is")


@unhurried
@given(anything)
def test_any_body_is_arguments_or_refused(body):
    made = message(forged.entry("x", body=body))
    try:
        args, kwargs, embed = content_of(made)
    except Unsound:
        return
    envelopes.check_depth((args, kwargs, embed), made.body)
    assert embed is None or isinstance(embed, dict)


@unhurried
@given(st.dictionaries(st.sampled_from(sorted(forged.entry("x")["headers"])), anything), anything)
def test_what_takes_a_refused_messages_place_is_sound(headers, body):
    made = message(forged.entry("x", headers=headers, body=body))

    substitute = substitute_for(made, task="probe.count", reason="a reason")

    envelopes.check_headers(substitute.headers, lambda value: value)
    envelopes.check_outside(substitute.headers, substitute.properties)
    assert content_of(substitute)[2] == {}
    assert refusal_in(substitute.headers)["reason"] == "a reason"
    assert substitute.delivery_tag == made.delivery_tag
    pickle.dumps(substitute.headers)


def test_a_sound_entry_stays_as_it_is():
    entry = forged.entry("x")

    assert sound_entry(entry) is entry


def test_arguments_of_either_protocol_are_found():
    assert call_of(message(forged.entry("x", args=[1]))) == ([1], {"key": "x"})
    assert call_of(message(forged.first_protocol("x"))) == ([], {"key": "x"})


def test_arguments_that_cannot_go_to_the_pool_are_shown_as_text():
    made = message(forged.entry("x", args=forged.nested(forged.DEEP)))

    substitute = substitute_for(made, task="probe.count", reason="too deep")

    assert content_of(substitute)[:2] == ([], {})
    assert refusal_in(substitute.headers)["content"].startswith("b'[[[[")


@pytest.mark.parametrize(
    ("levels", "goes"), [(90, True), (300, True), (forged.DEEP, False), (forged.DEEPER, False)]
)
def test_what_is_nested_goes_as_deep_as_the_pool_can_be_sent(levels, goes):
    """In a worker, whose stack is as deep as a test's."""
    assert survives(forged.nested(levels)) is goes


def test_a_wide_message_is_not_a_deep_one():
    wide = [{"line": number} for number in range(10_000)]

    envelopes.check_depth(wide, json.dumps(wide))


@unhurried
@given(st.text() | anything, st.integers(min_value=2, max_value=80))
def test_whatever_it_is_it_can_be_shown_and_cut(value, length):
    told = printable(value, length)

    assert len(told) <= length
    assert "\x00" not in told
    told.encode()


def test_what_cannot_be_shown_says_so():
    class Hidden:
        def __repr__(self):
            raise RuntimeError("no")

    assert "Hidden" in printable(Hidden())


def test_a_refusal_that_a_client_wrote_itself_is_read_as_text():
    assert refusal_in({REFUSED_HEADER: {"reason": [1], "content": None}})["reason"] == "[1]"
    assert refusal_in({REFUSED_HEADER: 5}) == {"reason": "", "id": "", "content": ""}
