"""What is asked of each platform's server: only what a push leaves out, signed as documented."""

import contextlib
import hashlib
import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from neural.hooks.platforms import eleme as eleme_platform
from neural.hooks.platforms import keruyun as keruyun_platform
from neural.hooks.platforms import meituan as meituan_platform
from neural.hooks.platforms.base import CannotTranslate
from neural.hooks.platforms.eleme import OrderNotReady
from tests.unit.platforms import eleme, keruyun, meituan, square, toast
from tests.unit.platforms.case import PlatformCase, Pushed
from tests.unit.platforms.every import EACH, each_platform, named, stored

AT = 1772424000


class Server:
    """A platform's server, which gives these answers in this order."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[SimpleNamespace] = []

    def get(self, url: str, *, headers: Any = None) -> Any:
        return self._answer("GET", url, headers, None)

    def post(self, url: str, *, json: Any, headers: Any = None) -> Any:
        return self._answer("POST", url, headers, json)

    def post_form(self, url: str, *, fields: Any, headers: Any = None) -> Any:
        return self._answer("POST form", url, headers, fields)

    def _answer(self, method: str, url: str, headers: Any, content: Any) -> Any:
        self.asked.append(
            SimpleNamespace(method=method, url=url, headers=headers or {}, content=content)
        )
        return self.answers.pop(0)


@pytest.fixture(autouse=True)
def _at(monkeypatch):
    for platform in (eleme_platform, meituan_platform, keruyun_platform):
        monkeypatch.setattr(platform, "time", SimpleNamespace(time=lambda: AT + 0.5))


def fetched(case: PlatformCase, pushed: Pushed, server: Server, **credentials: str) -> Any:
    push = stored(case.push(pushed))
    return case.platform.fetch(push, {**case.credentials, **credentials}, server)


WHOLE = [
    (case, pushed)
    for case, pushed in EACH
    if pushed.details is None and "could not be fetched" not in pushed.name
]


@pytest.mark.parametrize(
    ("case", "pushed"), WHOLE, ids=[f"{case.name}: {pushed.name}" for case, pushed in WHOLE]
)
def test_nothing_is_asked_about_a_push_that_says_everything(case, pushed):
    if case.name == "keruyun":
        pytest.skip("all its pushes are thin")
    server = Server()
    assert fetched(case, pushed, server) is None
    assert not server.asked


class TestSquare:
    def test_an_order_is_asked_by_its_id(self):
        server = Server({"order": square.ORDER})
        assert fetched(square.CASE, square.PUSHES[0], server) == {"order": square.ORDER}
        (asked,) = server.asked
        order_id = "eA3vssLHKJrv9H0IdJCM3gNqfdcZY"
        assert asked.url == f"https://connect.squareup.com/v2/orders/{order_id}"
        assert asked.headers["Authorization"] == "Bearer EAAA"
        assert asked.headers["Square-Version"]

    def test_a_payments_order_is_asked_and_a_refunds_payment(self):
        for name, path in (
            ("a payment by card, with its order", "/v2/orders/eA3vssLHKJrv9H0IdJCM3gNqfdcZY"),
            ("a refund, by its payment", "/v2/payments/hYy9pRFVxpDsO1FB05SunFWUe9JZY"),
        ):
            server = Server({})
            fetched(square.CASE, named(square.CASE, name), server)
            assert server.asked[0].url.endswith(path)

    def test_another_address_serves_for_tests(self):
        server = Server({})
        address = "https://connect.squareupsandbox.com/"
        fetched(square.CASE, square.PUSHES[0], server, api_url=address)
        assert server.asked[0].url.startswith("https://connect.squareupsandbox.com/v2/orders/")

    def test_an_id_cannot_lead_to_another_address(self):
        body = square.thin("1", order_id="../../v2/locations?x=")
        server = Server({})
        fetched(square.CASE, Pushed(name="", document="", body=body, expect=[]), server)
        assert server.asked[0].url.endswith("/v2/orders/..%2F..%2Fv2%2Flocations%3Fx%3D")

    def test_without_a_token_a_payment_is_taken_and_an_order_says_what_to_enter(self):
        payment = named(square.CASE, "a payment by card, with its order")
        assert fetched(square.CASE, payment, Server(), access_token="") is None
        with pytest.raises(CannotTranslate, match="access token"):
            fetched(square.CASE, square.PUSHES[0], Server(), access_token="")


class TestToast:
    THIN = named(toast.CASE, "an order by its id alone")

    def test_an_order_is_asked_by_its_id_after_a_login(self):
        server = Server({"token": {"accessToken": "t0ken"}}, toast.order())
        assert fetched(toast.CASE, self.THIN, server) == toast.order()
        login, asked = server.asked
        assert login.url == "https://ws-api.toasttab.com/authentication/v1/authentication/login"
        assert login.content == {
            "clientId": "id",
            "clientSecret": "other",
            "userAccessType": "TOAST_MACHINE_CLIENT",
        }
        assert asked.url == f"https://ws-api.toasttab.com/orders/v2/orders/{toast.ORDER_ID}"
        assert asked.headers["Authorization"] == "Bearer t0ken"
        assert asked.headers["toast-restaurant-external-id"] == toast.RESTAURANT

    def test_without_credentials_it_says_what_to_enter(self):
        with pytest.raises(CannotTranslate, match="client ID and secret"):
            fetched(toast.CASE, self.THIN, Server(), client_id="")


class TestEleme:
    DOWNGRADED = named(eleme.CASE, "a downgraded order, whose amounts were fetched")

    def test_a_downgraded_order_is_asked_by_a_signed_call(self):
        server = Server({"id": "1", "result": eleme.ORDER, "error": None})
        assert fetched(eleme.CASE, self.DOWNGRADED, server) == eleme.ORDER
        (asked,) = server.asked
        assert asked.url == "https://open-api.shop.ele.me/api/v1/"
        call = asked.content
        assert (call["nop"], call["action"]) == ("1.0.0", "eleme.order.getOrder")
        assert call["params"] == {"orderId": "3014728511382982850"}
        assert call["metas"] == {"app_key": "key", "timestamp": AT}
        signed = (
            'eleme.order.getOrdertokenapp_key="key"orderId="3014728511382982850"'
            f"timestamp={AT}s3cret"
        )
        assert call["signature"] == hashlib.md5(signed.encode()).hexdigest().upper()

    def test_without_a_token_one_is_asked_for_with_the_applications_key(self):
        server = Server({"access_token": "fresh"}, {"result": eleme.ORDER})
        fetched(eleme.CASE, self.DOWNGRADED, server, access_token="")
        login, asked = server.asked
        assert (login.method, login.url) == ("POST form", "https://open-api.shop.ele.me/token")
        assert login.content["grant_type"] == "client_credentials"
        assert login.headers["Authorization"] == "Basic a2V5OnMzY3JldA=="
        assert asked.content["token"] == "fresh"

    @pytest.mark.parametrize(
        "answer", [{"result": eleme.DOWNGRADED}, {"error": {"code": "SERVER_ERROR"}}]
    )
    def test_an_order_that_is_not_ready_is_asked_again_later(self, answer):
        with pytest.raises(OrderNotReady) as raised:
            fetched(eleme.CASE, self.DOWNGRADED, Server(answer))
        assert not raised.value.permanent

    def test_without_the_applications_key_a_cancellation_says_no_money(self):
        pushed = named(eleme.CASE, "an order that is no more, which was fetched")
        server = Server()
        assert fetched(eleme.CASE, pushed, server, app_key="") is None
        (event,) = eleme.CASE.platform.translate(stored(eleme.CASE.push(pushed)), None)
        assert event.payload["status"] == "cancelled"


class TestMeituan:
    @pytest.mark.parametrize("name", ["a cancellation", "an agreed refund of the whole order"])
    def test_the_order_of_what_does_not_say_its_money_is_asked_by_a_signed_call(self, name):
        server = Server({"data": meituan.ORDER})
        assert fetched(meituan.CASE, named(meituan.CASE, name), server) == meituan.ORDER
        (asked,) = server.asked
        address, query = asked.url.split("?")
        assert address == "https://waimaiopen.meituan.com/api/v1/order/getOrderDetail"
        signed = f"{address}?app_id=3987&order_id={meituan.ORDER_ID}&timestamp={AT}s3cret"
        assert dict(parse_qsl(query)) == {
            "app_id": "3987",
            "order_id": meituan.ORDER_ID,
            "timestamp": str(AT),
            "sig": hashlib.md5(signed.encode()).hexdigest(),
        }


class TestKeruyun:
    def test_the_order_is_asked_with_a_token_and_the_signature_covers_the_body(self):
        detail = keruyun.answer("SETTLED", AT)
        server = Server({"code": 0, "result": {"token": "t0ken"}}, {"code": 0, "result": detail})
        assert fetched(keruyun.CASE, keruyun.PUSHES[0], server) == detail
        login, asked = server.asked
        base = {"appKey": "key", "shopIdenty": "810094", "timestamp": str(AT), "version": "2.0"}
        told = dict(parse_qsl(urlsplit(login.url).query))
        signed = f"appKeykeyshopIdenty810094timestamp{AT}version2.0other"
        assert told == {**base, "sign": hashlib.sha256(signed.encode()).hexdigest()}
        body = {"orderId": str(keruyun.TRADE)}
        assert asked.content == body
        assert asked.url.startswith("https://openapi.keruyun.com/open/standard/order/queryDetail?")
        told = dict(parse_qsl(urlsplit(asked.url).query))
        text = json.dumps(body, separators=(",", ":"))
        signed = f"appKeykeyshopIdenty810094timestamp{AT}tokent0kenversion2.0body{text}t0ken"
        assert told == {
            **base,
            "token": "t0ken",
            "sign": hashlib.sha256(signed.encode()).hexdigest(),
        }


@each_platform
@pytest.mark.parametrize("answer", [None, [], "x", 1, {}, {"data": 1}, {"result": []}])
def test_an_answer_that_is_not_as_documented_says_so(case, answer):
    for pushed in case.pushes:
        server = Server(answer, answer, answer)
        with contextlib.suppress(CannotTranslate, OrderNotReady):
            details = fetched(case, pushed, server, access_token="")
            case.platform.translate(stored(case.push(pushed)), details)
