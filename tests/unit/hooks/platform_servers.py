"""Servers of platforms for tests. Each answers as its documentation says: it checks credentials and
signatures, pages, and refuses what the documentation forbids. Its signatures are made here, apart
from the code under test.
"""

import datetime as dt
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

Answer = tuple[int, dict[str, str], Any]


class Refused(Exception):
    """The platform's answer to a request that its documentation forbids."""

    def __init__(self, status: int = 400, text: str = "") -> None:
        super().__init__(text)
        self.status = status


def must(condition: Any, text: str, status: int = 400) -> None:
    if not condition:
        raise Refused(status, text)


class Request:
    """A request, its parts read."""

    def __init__(self, method: str, target: str, headers: Any, body: bytes) -> None:
        self.method = method
        self.path = urlsplit(target).path
        self.query = dict(parse_qsl(urlsplit(target).query))
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.raw = body.decode()
        self.json = json.loads(body) if self.raw[:1] in ("{", "[") else {}


class PlatformServer(ThreadingHTTPServer):
    """``first`` are answers that come before the right ones, as (part of the path, answer)."""

    daemon_threads = True
    credentials: ClassVar[dict[str, str]] = {}
    paths: ClassVar[dict[str, str]] = {}
    """The name of the method that answers, by the beginning of the path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[Request] = []
        self.first: list[tuple[str, Answer]] = []
        self.refusals: list[str] = []
        self.before: Callable[[Request], None] = lambda request: None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed before its answer is part of a test."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        self.before(request)
        if self.first and self.first[0][0] in request.path:
            return self.first.pop(0)[1]
        for start, name in self.paths.items():
            if request.path.startswith(start):
                try:
                    return 200, {}, getattr(self, name)(request)
                except Refused as refused:
                    self.refusals.append(str(refused))
                    return refused.status, {}, {"errors": [str(refused)]}
        return 404, {}, {}

    def asked_for(self, part: str) -> list[Request]:
        return [each for each in self.asked if part in each.path]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, self.headers, body)
        status, headers, answer = self.server.answer(request)  # type: ignore[attr-defined]
        raw = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(raw))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST  # noqa: N815

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serving(server: PlatformServer) -> Iterator[PlatformServer]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        assert not server.refusals, server.refusals


class SquareServer(PlatformServer):
    """SearchOrders, ListPayments, ListPaymentRefunds and the single ones, a page of ``size``."""

    credentials: ClassVar = {"signature_key": "s", "access_token": "EAAA"}
    paths: ClassVar = {
        "/v2/orders/search": "search",
        "/v2/orders/": "order",
        "/v2/payments/": "payment",
        "/v2/payments": "list",
        "/v2/refunds": "list",
    }

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, list[dict[str, Any]]] = {"orders": [], "payments": [], "refunds": []}
        self.size = 2
        self.cursors: dict[str, Any] = {}

    def search(self, request: Request) -> Any:
        body = dict(request.json)
        cursor = body.pop("cursor", "")
        must(len(body["location_ids"]) <= 10, "at most 10 locations")
        times = body["query"]["filter"]["date_time_filter"]
        must(body["query"]["sort"]["sort_field"] == "UPDATED_AT", "sort and filter differ")
        span = times["updated_at"]
        return self._page(request, "orders", body, cursor, span["start_at"], span["end_at"])

    def list(self, request: Request) -> Any:
        fields = dict(request.query)
        cursor = fields.pop("cursor", "")
        must(int(fields["limit"]) <= 100, "at most 100 a page")
        must(fields["sort_field"] == "UPDATED_AT", "sort and filter differ")
        kind = request.path.rpartition("/")[2]
        span = fields["updated_at_begin_time"], fields["updated_at_end_time"]
        return self._page(request, kind, fields, cursor, *span)

    def _page(
        self, request: Request, kind: str, query: Any, cursor: str, start: str, end: str
    ) -> Any:
        self._authorised(request)
        place, known = self.cursors.get(cursor, (0, query))
        must(not cursor or cursor in self.cursors, "unknown cursor")
        must(known == query, "the query differs from that of the cursor")
        location = query.get("location_id") or query["location_ids"][0]
        inside = [
            each
            for each in sorted(self.rows[kind], key=lambda each: each["updated_at"])
            if each["location_id"] == location
            and instant(start) <= instant(each["updated_at"]) <= instant(end)
        ]
        answer: dict[str, Any] = {kind: inside[place : place + self.size]} if inside else {}
        if place + self.size < len(inside):
            answer["cursor"] = f"{kind}-{place + self.size}"
            self.cursors[answer["cursor"]] = (place + self.size, query)
        return answer

    def _authorised(self, request: Request) -> None:
        must(request.headers.get("authorization") == "Bearer EAAA", "UNAUTHORIZED", 401)

    def order(self, request: Request) -> Any:
        return {"order": self._one(request, "orders")}

    def payment(self, request: Request) -> Any:
        return {"payment": self._one(request, "payments")}

    def _one(self, request: Request, kind: str) -> Any:
        self._authorised(request)
        identity = request.path.rpartition("/")[2]
        found = [each for each in self.rows[kind] if each["id"] == identity]
        must(found, "NOT_FOUND", 404)
        return found[0]


def instant(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    assert moment.tzinfo, text
    return moment


class ToastServer(PlatformServer):
    """The login, and ordersBulk by the time of the change."""

    credentials: ClassVar = {"secret": "s", "client_id": "id", "client_secret": "cs"}
    paths: ClassVar = {"/authentication/v1/authentication/login": "login", "/orders/v2/": "bulk"}

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[dict[str, Any]] = []
        self.restaurant = "R1"

    def login(self, request: Request) -> Any:
        right = {
            "clientId": "id",
            "clientSecret": "cs",
            "userAccessType": "TOAST_MACHINE_CLIENT",
        }
        must(request.json == right, "wrong client", 401)
        return {"token": {"tokenType": "Bearer", "expiresIn": 86400, "accessToken": "eyJ"}}

    def bulk(self, request: Request) -> Any:
        must(request.path == "/orders/v2/ordersBulk", "not asked in these tests", 404)
        must(request.headers.get("authorization") == "Bearer eyJ", "no token", 401)
        must(request.headers.get("toast-restaurant-external-id") == self.restaurant, "whose?")
        size, number = int(request.query["pageSize"]), int(request.query["page"])
        must(1 <= size <= 100, "pageSize is at most 100")
        start, end = (instant(request.query[name]) for name in ("startDate", "endDate"))
        inside = [
            each
            for each in self.orders
            if start <= instant(each["modifiedDate"].replace("+0000", "+00:00")) < end
        ]
        return inside[size * (number - 1) : size * number]


class ElemeServer(PlatformServer):
    """The messages that were not delivered."""

    credentials: ClassVar = {
        "app_secret": "as",
        "app_key": "ak",
        "app_id": "4511",
        "access_token": "at",
    }
    paths: ClassVar = {"/api/v1/": "call"}

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []

    def call(self, request: Request) -> Any:
        body = request.json
        named = {**body["metas"], **body["params"]}
        pairs = "".join(
            f"{name}={json.dumps(named[name], separators=(',', ':'))}" for name in sorted(named)
        )
        signed = f"{body['action']}at{pairs}as"
        right = hashlib.md5(signed.encode()).hexdigest().upper()
        must(body["signature"] == right and body["token"] == "at", "SIGNATURE", 200)
        must(body["action"] == "eleme.message.getNonReachedOMessages", body["action"])
        must(body["params"] == {"appId": 4511}, "appId is a number")
        return {"nop": "1.0.0", "id": body["id"], "result": self.messages, "error": None}


class MeituanServer(PlatformServer):
    """Orders by their numbers of the day."""

    credentials: ClassVar = {"app_id": "3987", "app_secret": "as"}
    paths: ClassVar = {
        "/api/v1/order/getOrderIdByDaySeq": "numbered",
        "/api/v1/order/getOrderDetail": "detail",
    }

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[tuple[str, int], dict[str, Any]] = {}

    def _signed(self, request: Request) -> dict[str, str]:
        fields = dict(request.query)
        given = fields.pop("sig")
        pairs = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
        right = hashlib.md5(f"{self.url}{request.path}?{pairs}as".encode()).hexdigest()
        must(given == right, "signature")
        must(fields["app_id"] == "3987", "app_id")
        return fields

    def numbered(self, request: Request) -> Any:
        fields = self._signed(request)
        order = self.orders.get((fields["date_time"], int(fields["day_seq"])))
        if order is None or order["app_poi_code"] != fields["app_poi_code"]:
            return {"data": "ng", "error": {"code": 808, "msg": "不存在此订单"}}
        return {"data": {"result": "ok", "order_id": int(order["order_id"])}}

    def detail(self, request: Request) -> Any:
        fields = self._signed(request)
        orders = {each["order_id"]: each for each in self.orders.values()}
        return {"data": orders[fields["order_id"]]}


class KeruyunServer(PlatformServer):
    """queryList and queryDetail, each with a token."""

    credentials: ClassVar = {"path_secret": "p", "app_key": "ak", "app_secret": "as"}
    paths: ClassVar = {
        "/open/v1/token/get": "token",
        "/open/standard/order/queryList": "list",
        "/open/standard/order/queryDetail": "detail",
    }

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[dict[str, Any]] = []

    def _signed(self, request: Request, secret: str) -> None:
        fields = dict(request.query)
        given = fields.pop("sign")
        order = ("appKey", "shopIdenty", "brandId", "timestamp", "token", "version")
        text = "".join(f"{name}{fields[name]}" for name in order if name in fields)
        body = f"body{request.raw}" if request.raw else ""
        right = hashlib.sha256(f"{text}{body}{secret}".encode()).hexdigest()
        must(given == right, "sign")

    def token(self, request: Request) -> Any:
        self._signed(request, "as")
        return {"code": 0, "result": {"token": "t0ken"}}

    def list(self, request: Request) -> Any:
        self._signed(request, "t0ken")
        body, page = request.json, request.json["pageBean"]
        must(body["dateType"] == "OPEN_TIME" and page["pageSize"] <= 100, "query")
        bases = [each["data"]["orderBaseVO"] for each in self.orders]
        inside = [
            each for each in bases if body["startDate"] <= each["openTime"] <= body["endDate"]
        ]
        first = page["pageSize"] * (page["pageNum"] - 1)
        data = {
            "list": inside[first : first + page["pageSize"]],
            "totalCount": str(len(inside)),
        }
        return {"code": 0, "result": {"success": True, "data": data}}

    def detail(self, request: Request) -> Any:
        self._signed(request, "t0ken")
        found = [
            each
            for each in self.orders
            if each["data"]["orderBaseVO"]["orderId"] == request.json["orderId"]
        ]
        return {"code": 0, "result": found[0]}
