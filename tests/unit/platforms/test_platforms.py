"""Every platform keeps the same promises: its own pushes are taken, others refused, and what is
translated is valid, the same every time, and adds up."""

import contextlib
import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural.hooks.platforms.base import (
    CannotTranslate,
    Push,
    PushUnreadable,
    Received,
    SignatureRefused,
)
from neural.restaurant.bill import add_up, amount_of
from neural.restaurant.models.amounts import digits_of
from tests.unit.platforms import deliverect, eleme, keruyun, meituan, square, toast
from tests.unit.platforms.case import ADDRESS, NOW, Pushed
from tests.unit.platforms.every import (
    CASES,
    EACH,
    checked,
    each_platform,
    each_push,
    named,
    translated,
)
from tests.unit.platforms.spoiling import spoilt

ROOT = Path(__file__).parents[3]
WITH_TIME = [case for case in CASES if case.resent_for is not None]
SIGNED = [case for case in CASES if case.body_is_signed]
"""Keruyun signs no body: nothing but ids is taken from it."""
WITHOUT_TIME = [case for case in CASES if case.resent_for is None]


def changed(request: Received, **more: Any) -> Received:
    told = {
        "method": request.method,
        "url": request.url,
        "headers": request.headers,
        "body": request.body,
    }
    return Received(**{**told, **more})


class TestSignatures:
    @each_push
    def test_a_genuine_push_is_taken(self, case, pushed):
        case.verify(case.request(pushed))

    @pytest.mark.parametrize("case", SIGNED, ids=lambda case: case.name)
    def test_a_changed_body_is_refused(self, case):
        for pushed in case.pushes:
            with pytest.raises(SignatureRefused):
                case.verify(with_another_digit(case.request(pushed)))

    @each_platform
    def test_another_accounts_secret_is_refused(self, case):
        request = case.request(case.pushes[0])
        with pytest.raises(SignatureRefused):
            case.verify(request, **{case.secret: "another"})

    @each_platform
    def test_without_its_secret_a_source_takes_nothing(self, case):
        forged = case.sign(case.write(case.pushes[0].body, NOW), {case.secret: ""})
        for missing in ("", None):
            with pytest.raises(SignatureRefused, match="enter it in the admin"):
                case.verify(forged, **{case.secret: missing})

    @each_platform
    def test_a_request_without_a_signature_is_refused(self, case):
        body = case.write(case.pushes[0].body, NOW)
        with pytest.raises(SignatureRefused):
            case.verify(Received(method="POST", url=ADDRESS, headers={}, body=body))

    @each_platform
    @pytest.mark.parametrize("told", ["", "x", "é", "a" * 10_000, "%"])
    def test_a_wrong_signature_is_refused(self, case, told):
        request = case.request(case.pushes[0])
        with pytest.raises(SignatureRefused):
            case.verify(with_signature(request, told))

    @pytest.mark.parametrize("case", SIGNED, ids=lambda case: case.name)
    def test_a_body_of_another_push_with_this_ones_signature_is_refused(self, case):
        one, other = case.request(case.pushes[0]), case.request(case.pushes[1])
        with pytest.raises(SignatureRefused):
            case.verify(changed(with_signature(one, signature_in(other)), headers=other.headers))

    def test_square_signs_the_address_too(self):
        request = square.CASE.request(square.PUSHES[0])
        with pytest.raises(SignatureRefused):
            square.CASE.verify(changed(request, url=ADDRESS + "/other"))

    def test_meituan_signs_the_address_too(self):
        request = meituan.CASE.request(meituan.PUSHES[0])
        with pytest.raises(SignatureRefused):
            meituan.CASE.verify(changed(request, url=ADDRESS + "/other"))

    def test_another_application_of_meituan_is_refused(self):
        request = meituan.CASE.request(meituan.PUSHES[0])
        with pytest.raises(SignatureRefused, match="another application"):
            meituan.CASE.verify(request, app_id="3988")

    def test_meituan_may_push_in_the_address(self):
        request = meituan.CASE.request(meituan.PUSHES[2])
        pushed = changed(request, method="GET", url=f"{ADDRESS}?{request.body.decode()}", body=b"")
        meituan.CASE.verify(pushed)
        assert meituan.CASE.platform.read(pushed) == meituan.CASE.platform.read(request)

    def test_before_deliverect_has_a_secret_it_signs_with_a_channel_link_that_a_person_entered(
        self,
    ):
        """The body names its channel link too, and anybody could sign with that."""
        entered = {"secret": "63a1 63b2"}
        pushed = {**deliverect.RECORDED, "channelLink": "63b2"}
        signed = deliverect.sign(json.dumps(pushed).encode(), {"secret": "63b2"})
        deliverect.CASE.verify(signed, **entered)
        for secret in ("", "63c3", "63a1 63b2"):
            with pytest.raises(SignatureRefused):
                deliverect.CASE.verify(deliverect.sign(signed.body, {"secret": secret}), **entered)
        with pytest.raises(SignatureRefused):
            deliverect.CASE.verify(signed, secret="another")

    @pytest.mark.parametrize(
        ("more", "total"),
        [
            ({"payment": {"amount": 1850, "rebate": 400}}, "18.5"),
            (
                {
                    "payment": {"amount": 1850, "rebate": 400},
                    "discountTotal": -400,
                    "discounts": [{"provider": "CHANNEL", "amount": -400}],
                },
                "18.5",
            ),
            ({"payment": {"amount": 9900, "rebate": 400}}, "95"),
        ],
        ids=["already off the amount", "named by the discounts too", "of what adds up to nothing"],
    )
    def test_a_rebate_of_deliverect_counts_once(self, more, total):
        body = {**deliverect.REBATED, **more}
        order, payment = translated(
            deliverect.CASE, Pushed(name="", document="", body=body, expect=[])
        )
        discounts = [each for each in order.payload["bill"] if each["kind"] == "discount"]
        assert [(each["amount"], each["platform"]) for each in discounts] == [("4", "4")]
        assert (order.payload["total"], payment.payload["amount"]) == (total, total)

    def test_the_secret_of_keruyuns_address_is_no_part_of_a_push(self):
        assert "s3cret" not in repr(keruyun.CASE.push(keruyun.PUSHES[0]))

    @pytest.mark.parametrize("case", [eleme.CASE, meituan.CASE], ids=lambda case: case.name)
    def test_a_look_whether_the_address_answers_is_answered_and_not_kept(self, case):
        probe = Received(method="GET", url=ADDRESS, headers={}, body=b"")
        case.verify(probe)
        assert case.platform.read(probe) is None
        assert case.platform.answer(probe) == case.answer


def with_another_digit(request: Received) -> Received:
    """The last digit of the body is another one: of a time, an id or an amount."""
    place = max(at for at, byte in enumerate(request.body) if chr(byte).isdigit())
    other = b"7" if request.body[place : place + 1] != b"7" else b"8"
    return changed(request, body=request.body[:place] + other + request.body[place + 1 :])


def with_signature(request: Received, told: str) -> Received:
    """The request with another signature, wherever its platform has it."""
    headers = {
        name: told if "sign" in name or "hmac" in name else value
        for name, value in request.headers.items()
    }
    body = request.body
    if b"&sig=" in body:
        body = body[: body.rindex(b"&sig=") + 5] + told.encode()
    elif b'"signature"' in body:
        body = json.dumps({**json.loads(body), "signature": told}).encode()
    url = (
        request.url.split("?")[0] + f"?secret={told}" if "?secret=" in request.url else request.url
    )
    return changed(request, headers=headers, body=body, url=url)


def signature_in(request: Received) -> str:
    for name, value in request.headers.items():
        if "sign" in name or "hmac" in name:
            return value
    if b"&sig=" in request.body:
        return request.body.rsplit(b"&sig=")[1].decode()
    return str(json.loads(request.body)["signature"])


class TestTimes:
    @pytest.mark.parametrize("case", WITH_TIME, ids=lambda case: case.name)
    def test_a_push_that_is_sent_again_is_taken_for_as_long_as_the_platform_does_so(self, case):
        request = case.request(case.pushes[0])
        case.verify(request, now=NOW + dt.timedelta(seconds=case.resent_for))

    @pytest.mark.parametrize("case", WITH_TIME, ids=lambda case: case.name)
    def test_an_older_push_is_refused(self, case):
        request = case.request(case.pushes[0])
        with pytest.raises(SignatureRefused, match="s old"):
            case.verify(request, now=NOW + dt.timedelta(seconds=case.resent_for + 302))

    @pytest.mark.parametrize("case", WITH_TIME, ids=lambda case: case.name)
    def test_a_push_from_the_future_is_refused(self, case):
        request = case.request(case.pushes[0])
        case.verify(request, now=NOW - dt.timedelta(seconds=298))
        with pytest.raises(SignatureRefused, match="ahead of our clock"):
            case.verify(request, now=NOW - dt.timedelta(seconds=302))

    @pytest.mark.parametrize("case", WITHOUT_TIME, ids=lambda case: case.name)
    def test_where_no_time_is_signed_the_id_of_the_push_alone_tells_a_replay(self, case):
        request = case.request(case.pushes[0])
        case.verify(request, now=NOW + dt.timedelta(days=400))
        assert case.platform.read(request).push_id == case.push(case.pushes[0]).push_id


class TestReading:
    @each_push
    def test_a_push_that_is_sent_again_has_the_same_id(self, case, pushed):
        again = case.request(pushed, NOW + dt.timedelta(minutes=5))
        assert case.platform.read(again).push_id == case.push(pushed).push_id

    @each_platform
    def test_different_pushes_have_different_ids(self, case):
        ids = [case.push(pushed).push_id for pushed in case.pushes]
        assert len(set(ids)) == len(ids)
        assert all(0 < len(each) <= 200 for each in ids)

    @each_push
    def test_the_store_is_named(self, case, pushed):
        if pushed.store_code:
            assert case.push(pushed).store_code == pushed.store_code

    @each_push
    def test_what_is_read_can_be_stored_as_json(self, case, pushed):
        push = case.push(pushed)
        assert json.loads(json.dumps(push.body)) == push.body
        assert push.occurred_at is None or push.occurred_at.utcoffset() is not None

    def test_a_lone_surrogate_and_a_nul_in_a_text_make_no_push_unreadable(self):
        body = {**toast.PUSHES[0].body, "note": "a\0b\ud83dc"}
        push = toast.CASE.platform.read(toast.CASE.sign(toast.write(body, NOW), {"secret": "x"}))
        assert push.body["note"] == "a\ufffdb\ufffdc"

    def test_values_of_meituan_are_decoded_twice(self):
        push = meituan.CASE.push(meituan.PUSHES[0])
        assert json.loads(push.body["detail"])[0]["food_name"] == "鸡丁培根炒饭"
        assert "sig" not in push.body


HOSTILE = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"x"',
    "a number": b"1",
    "an empty object": b"{}",
    "not JSON": b"{",
    "not UTF-8": b"\xff\xfe{}",
    "1,000 levels": b"[" * 1000 + b"]" * 1000,
    "100,000 levels": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a number of 5,000 digits": b'{"timestamp": ' + b"9" * 5000 + b"}",
    "an infinite number": b'{"timestamp": 1e999, "type": 1e999}',
    "not a number": b'{"timestamp": NaN}',
    "a lone surrogate": b'{"timestamp": "\\ud800", "guid": "\\ud800", "type": "\\udfff"}',
    "a NUL": b'{"timestamp": "\\u0000", "guid": "\\u0000"}',
    "wrong types": b'{"guid": [], "event_id": {}, "tradeId": 1.5, "message": 7, "type": true}',
    "objects for texts": b'{"data": [], "details": [], "message": "[]", "_id": {}, "type": {}}',
    "a form": b"order_id=1&utime=x&timestamp=%00",
    "half a code": b"order_id=%E9%99&detail=%25E9&a=%",
    "10,000 fields": b"&".join(b"a%d=1" % number for number in range(10_000)),
}


class TestHostileBodies:
    @each_platform
    @pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
    def test_a_signed_one_is_refused_or_unreadable_and_nothing_else(self, case, body):
        request = case.sign(body, case.credentials)
        with contextlib.suppress(SignatureRefused):
            case.verify(request)
        try:
            push = case.platform.read(request)
        except PushUnreadable:
            return
        if push is not None:
            json.dumps(push.body)
            with pytest.raises(CannotTranslate) if case.name == "keruyun" else unharmed():
                case.platform.translate(push, None)

    @each_platform
    @pytest.mark.parametrize(
        "body", [None, [], "x", 1, 1.5, True, {}, {"a": {}}], ids=lambda body: repr(body)
    )
    def test_a_stored_one_cannot_be_translated_and_nothing_else(self, case, body):
        for details in (None, [], "x", 7, {}, {"order": []}, {"data": {"orderBaseVO": 1}}):
            with unharmed():
                case.platform.translate(Push(push_id="1", body=body), details)

    @each_platform
    @settings(max_examples=200)
    @given(chance=st.randoms(use_true_random=False))
    def test_whatever_a_field_is_the_push_is_translated_or_it_cannot_be(self, case, chance):
        pushed = chance.choice(case.pushes)
        push = case.push(pushed)
        parts = {"body": push.body, "details": pushed.details}
        for _change in range(chance.randint(1, 3)):
            part = chance.choice(("body", "details"))
            parts[part] = spoilt(parts[part], chance)
        spoilt_push = Push(push_id="1", body=parts["body"])
        with unharmed():
            for event in case.platform.translate(spoilt_push, parts["details"]):
                checked(event)
                assert len(event.event_id) <= 200
                assert event.occurred_at.utcoffset() is not None


def unharmed() -> contextlib.AbstractContextManager[None]:
    """Nothing but CannotTranslate may be raised within."""
    return contextlib.suppress(CannotTranslate)


class TestTranslating:
    @each_push
    def test_it_is_translated_as_its_document_says(self, case, pushed):
        events = translated(case, pushed)
        assert [event.type for event in events] == [kind for kind, _ in pushed.expect]
        for event, (_, part) in zip(events, pushed.expect, strict=True):
            assert {name: event.payload.get(name) for name in part} == part

    @each_push
    def test_every_payload_is_valid_and_says_nothing_that_its_schema_does_not_know(
        self, case, pushed
    ):
        for event in translated(case, pushed):
            data = checked(event)
            assert not unknown_fields(data)

    @each_push
    def test_every_event_has_a_till_an_id_and_a_time(self, case, pushed):
        events = translated(case, pushed)
        for event in events:
            if event.type != "inventory.updated":
                assert event.payload["till"] == case.name
            assert len(event.event_id) <= 200
            assert event.occurred_at.utcoffset() is not None
        assert len({event.event_id for event in events}) == len(events)

    @each_push
    def test_it_is_translated_the_same_every_time(self, case, pushed):
        assert translated(case, pushed) == translated(case, pushed)

    @each_platform
    def test_different_pushes_make_different_events(self, case):
        ids = [event.event_id for pushed in case.pushes for event in translated(case, pushed)]
        repeated = {each for each in ids if ids.count(each) > 1}
        # Square tells the same order with its payment again: that is the same event.
        assert all(":order.stated:" in each for each in repeated)

    @each_push
    def test_every_order_adds_up(self, case, pushed):
        for event in translated(case, pushed):
            if event.type == "order.stated":
                order = checked(event)
                digits = digits_of(order.currency)
                lines = [(line, amount_of(line, digits=digits)) for line in order.lines]
                sums = add_up(lines, order.bill, stated=order.total)
                assert (sums.difference, sums.total) == (0, order.total)

    @each_push
    def test_the_payout_of_every_order_is_explained(self, case, pushed):
        events = {event.type: checked(event) for event in translated(case, pushed)}
        if case.name in ("eleme", "meituan") and "settlement.stated" in events:
            order, told = events["order.stated"], events["settlement.stated"]
            sums = add_up((), order.bill, stated=order.total)
            explained = order.total + sums.platform_discounts - sums.platform_charges
            assert told.payout == explained - told.commission - told.fees

    @each_push
    def test_no_name_address_or_number_of_a_guest_is_in_it(self, case, pushed):
        told = json.dumps([event.payload for event in translated(case, pushed)], ensure_ascii=False)
        for secret in (
            "4155550123",
            "4035550199",
            "13800000000",
            "1380000",
            "1398888",
            "1390000",
            "18689114387",
            "顾客",
            "A Guest",
            "学生公寓",
            "御花园",
        ):
            assert secret not in told

    @pytest.mark.parametrize(
        ("case", "body", "details", "value"),
        [
            (square.CASE, square.thin("1"), {"order": {**square.ORDER, "state": "HELD"}}, "HELD"),
            (
                square.CASE,
                square.envelope(
                    "payment.updated", "1", {"payment": {**square.PAYMENT, "status": "GONE"}}
                ),
                None,
                "GONE",
            ),
            (toast.CASE, toast.updated("1", toast.order(approvalStatus="MAYBE")), None, "MAYBE"),
            (deliverect.CASE, deliverect.status(33), None, "33"),
            (
                eleme.CASE,
                eleme.message(10, "1", {**eleme.ORDER, "status": "lost"}),
                None,
                "lost",
            ),
            (meituan.CASE, {**meituan.ORDER, "status": "7"}, None, "7"),
            (keruyun.CASE, keruyun.pushed(1), keruyun.answer("LOST", 1772424000000), "LOST"),
        ],
        ids=lambda value: getattr(value, "name", None),
    )
    def test_a_state_that_is_not_known_is_named(self, case, body, details, value):
        pushed = Pushed(name="", document="", body=body, details=details, expect=[])
        with pytest.raises(CannotTranslate, match=f"'?{value}'? is not known"):
            translated(case, pushed)

    @pytest.mark.parametrize(
        ("paid", "given"),
        [
            ({"amount": 1.06, "amountTendered": 0}, None),
            ({"amount": 1.06, "amountTendered": 0.0, "tipAmount": 0.5}, None),
            ({"amount": 1.06, "amountTendered": 5, "tipAmount": 0}, "5"),
            ({"amount": 10, "amountTendered": 10, "tipAmount": 2}, "12"),
            ({"amount": 10, "amountTendered": 9}, None),
            ({"amount": 10}, None),
        ],
    )
    def test_toast_states_what_was_given_without_the_tip_and_0_if_nothing_was(self, paid, given):
        check = toast.check(payments=[{"guid": "p", "type": "CASH", **paid}])
        body = toast.updated("1", toast.order(checks=[check]))
        _, payment = translated(toast.CASE, Pushed(name="", document="", body=body, expect=[]))
        assert payment.payload.get("given") == given
        if given:
            left = Decimal(given) - Decimal(str(paid["amount"])) - Decimal(paid["tipAmount"])
            assert left == Decimal(str(paid["amountTendered"])) - Decimal(str(paid["amount"]))

    @pytest.mark.parametrize("stated", [8.3, 5], ids=["their sum", "the last one"])
    def test_a_second_refund_of_toast_counts_once_whichever_amount_its_payment_states(self, stated):
        """Toast does not say which it is; what the items returned tells."""
        first = translated(toast.CASE, named(toast.CASE, "a refund of a line, a day later"))[-1]
        bread = {
            **toast.TEA,
            "guid": "sel-9",
            "refundDetails": {
                "refundAmount": 4.5,
                "taxRefundAmount": 0.5,
                "refundTransaction": toast.reference("tx-2", "RefundTransaction"),
            },
        }
        refund = {**toast.REFUNDED["refund"], "refundAmount": stated}
        refund["refundTransaction"] = toast.reference("tx-2", "RefundTransaction")
        paid = {**toast.PAID, "refundStatus": "PARTIAL", "refund": refund}
        check = toast.check(selections=[toast.RETURNED_TEA, bread], payments=[paid])
        body = toast.updated("1", toast.order(checks=[check]))
        second = translated(toast.CASE, Pushed(name="", document="", body=body, expect=[]))[-1]

        refunds = {each.payload["refund_id"]: each.payload["amount"] for each in (first, second)}
        assert refunds == {"pay-1-tx-1": "3.3", "pay-1-tx-2": "5"}
        assert [each["line_id"] for each in second.payload["lines"]] == ["sel-9"]

    @pytest.mark.parametrize(
        ("state", "fulfillment", "status"),
        [
            ("OPEN", "PROPOSED", "open"),
            ("OPEN", "RESERVED", "accepted"),
            ("OPEN", "PREPARED", "ready"),
            ("OPEN", "COMPLETED", "ready"),
            ("OPEN", "FAILED", "open"),
            ("COMPLETED", "RESERVED", "closed"),
            ("CANCELED", "CANCELED", "cancelled"),
        ],
    )
    def test_an_open_order_of_square_is_as_far_as_its_fulfillment(self, state, fulfillment, status):
        (pickup,) = square.ORDER["fulfillments"]
        order = {
            **square.ORDER,
            "state": state,
            "fulfillments": [{**pickup, "state": fulfillment}],
        }
        body = square.envelope(
            "order.fulfillment.updated",
            "1",
            {"order_fulfillment_updated": {"order_id": order["id"], "state": state}},
        )
        pushed = Pushed(name="", document="", body=body, details={"order": order}, expect=[])
        (event,) = translated(square.CASE, pushed)
        assert event.payload["status"] == status

    def test_a_downgraded_order_without_its_amounts_says_what_to_do(self):
        pushed = eleme.PUSHES[1]
        push = eleme.CASE.push(pushed)
        with pytest.raises(CannotTranslate, match="app key"):
            eleme.CASE.platform.translate(push, None)

    def test_details_of_another_order_are_not_taken_for_keruyuns(self):
        push = keruyun.CASE.push(keruyun.PUSHES[0])
        with pytest.raises(CannotTranslate, match="another order"):
            keruyun.CASE.platform.translate(push, keruyun.answer("SETTLED", 1772424000000, 8))

    def test_an_order_of_keruyun_that_is_fetched_again_for_a_push_is_the_same_event(self):
        """Its answer has no time but that of the request."""
        push = keruyun.CASE.push(keruyun.PUSHES[0])
        another = keruyun.CASE.push(replace(keruyun.PUSHES[0], body=keruyun.pushed(26)))

        def ids(push, status, at):
            found = keruyun.CASE.platform.translate(push, keruyun.answer(status, at))
            return [each.event_id for each in found]

        first = ids(push, "WAIT_SETTLED", 1772424000000)
        assert ids(push, "WAIT_SETTLED", 1772424060000) == first
        assert ids(push, "SETTLED", 1772424060000) != first
        assert ids(another, "WAIT_SETTLED", 1772424060000) != first

    def test_what_keruyun_pushes_decides_no_status(self):
        """Nobody signs it: an operation 15 (cancelled) of a settled order changes nothing."""
        pushed = Pushed(
            name="",
            document="",
            body=keruyun.pushed(15),
            details=keruyun.answer("SETTLED", 1772424000000),
            expect=[],
        )
        (event,) = translated(keruyun.CASE, pushed)
        assert event.payload["status"] == "closed"


def unknown_fields(data: Any) -> set[str]:
    """Fields that no schema knows, at any depth."""
    found = set(data.model_extra or {})
    for name in type(data).model_fields:
        value = getattr(data, name)
        for part in value if isinstance(value, list) else [value]:
            if hasattr(part, "model_extra"):
                found |= unknown_fields(part)
    return found


class TestVersions:
    def test_a_later_version_of_a_platform_is_later_as_text(self):
        first, second = (
            translated(square.CASE, square.PUSHES[place])[0].event_id for place in (0, 1)
        )
        assert first < second  # version 2 and version 12

    def test_states_of_one_second_have_the_order_of_their_ranks(self):
        ids = []
        for kind in (12, 55, 18, 17):
            body = eleme.state(kind, f"r{kind}", updateTime=1509365300)
            pushed = Pushed(name="", document="", body=body, expect=[])
            ids.append(translated(eleme.CASE, pushed)[0].event_id)
        assert ids == sorted(ids)

    def test_a_part_of_a_second_makes_no_state_newer_than_one_that_is_told_in_seconds(self):
        """A courier's message is in milliseconds, that of the completed order in seconds."""
        courier = {"orderId": eleme.ORDER_ID, "updateAt": 1509365300900}
        completed = eleme.state(18, "r2", updateTime=1509365300)
        first, second = (
            translated(eleme.CASE, Pushed(name="", document="", body=body, expect=[]))[0]
            for body in (eleme.message(55, "r1", courier), completed)
        )
        assert (first.occurred_at, first.event_id) < (second.occurred_at, second.event_id)

    def test_a_state_that_is_fetched_twice_is_one_event(self):
        body = square.thin("another-event")
        again = Pushed(name="", document="", body=body, details=square.PUSHES[0].details, expect=[])
        assert translated(square.CASE, again) == translated(square.CASE, square.PUSHES[0])

    def test_another_content_is_another_event(self):
        order = {**square.ORDER, "ticket_name": "18"}
        other = Pushed(
            name="", document="", body=square.thin("1"), details={"order": order}, expect=[]
        )
        one = translated(square.CASE, square.PUSHES[0])[0]
        assert translated(square.CASE, other)[0].event_id != one.event_id


class TestAnswers:
    @each_push
    def test_the_answer_is_as_documented(self, case, pushed):
        request = case.request(pushed)
        assert case.platform.answer(request) == case.answered(request)

    def test_keruyun_is_answered_with_an_id_of_the_message_that_stays_the_same(self):
        ids = [
            keruyun.CASE.platform.answer(keruyun.CASE.request(pushed)).body["messageUuid"]
            for pushed in (*keruyun.PUSHES, *keruyun.PUSHES)
        ]
        assert ids[: len(keruyun.PUSHES)] == ids[len(keruyun.PUSHES) :]
        assert len(set(ids)) == len(keruyun.PUSHES)
        assert all(each.isalnum() and len(each) <= 32 for each in ids)

    @each_platform
    def test_the_refusal_is_an_error(self, case):
        assert case.platform.refusal(case.request(case.pushes[0])) == case.refusal
        assert case.refusal.status >= 400


class TestDocuments:
    @each_platform
    def test_each_platform_names_its_documents_and_credentials(self, case):
        platform = case.platform
        assert platform.documents
        assert str(platform.label)
        assert {each.name for each in platform.credentials} == set(case.credentials)
        assert all(str(each.label) for each in platform.credentials)

    @each_platform
    @pytest.mark.parametrize("page", ["docs/how-to/platforms.md", "docs/zh/how-to/platforms.md"])
    def test_the_pages_name_each_credential_and_each_document(self, case, page):
        text = (ROOT / page).read_text(encoding="utf-8")
        for credential in case.platform.credentials:
            assert f"`{credential.name}`" in text
        for document in case.platform.documents:
            assert document.split()[0] in text

    @each_push
    def test_each_push_names_its_document(self, case, pushed):
        assert pushed.document


def test_orders_of_two_platforms_never_have_one_key():
    tills = {
        event.payload["till"]
        for case, pushed in EACH
        for event in translated(case, pushed)
        if "till" in event.payload
    }
    assert tills == {case.name for case in CASES}


def test_amounts_are_exact():
    (order,) = translated(square.CASE, square.PUSHES[3])
    assert Decimal(order.payload["lines"][0]["price"]) == Decimal("1.255")
