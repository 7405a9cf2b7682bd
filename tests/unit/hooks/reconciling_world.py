"""Worlds of the tests of reconciling: each platform, its server, and how an order is pushed."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

import neural
from neural.hooks.incoming import reconciling
from neural.hooks.incoming.recording import record
from neural.models import NeuralEvent, RunState, TaskRun
from tests.unit.hooks import platform_servers as servers
from tests.unit.platforms import eleme, keruyun, meituan, square, toast
from tests.unit.platforms.case import PlatformCase, Pushed

DAY = dt.date(2026, 3, 2)
NOW = dt.datetime(2026, 3, 3, 5, 30, tzinfo=dt.timezone(dt.timedelta(hours=8)))


@dataclass(frozen=True)
class World:
    """A platform: how its server gets orders 1, 2, 3… of a store, and how one of them is pushed."""

    case: PlatformCase
    server: type[servers.PlatformServer]
    code: str
    type: str = "order.stated"
    """Each order has one event of this type."""

    def add(self, server: Any, number: int, **more: Any) -> dict[str, Any]:
        raise NotImplementedError

    def body(self, order: dict[str, Any]) -> Any:
        """The push of an order."""
        raise NotImplementedError

    def spoil(self, order: dict[str, Any]) -> None:
        """Make it one that cannot be translated."""
        raise NotImplementedError

    def push(self, made: Any, order: dict[str, Any]) -> None:
        """Record the push of an order as the door does."""
        pushed = Pushed(name="", document="", body=self.body(order), expect=())
        push = self.case.platform.read(self.case.request(pushed, dt.datetime.now(dt.UTC)))
        assert record(made, push, store="S1").is_new


class SquareWorld(World):
    def add(self, server, number, **more):
        order = {
            **square.CLOSED,
            "id": f"O{number}",
            "location_id": more.get("code", self.code),
            "updated_at": f"2026-03-02T04:{number:02d}:00.000Z",
        }
        server.rows["orders"].append(order)
        return order

    def body(self, order):
        thing = {"order_id": order["id"], "location_id": order["location_id"]}
        return square.envelope("order.updated", f"E{order['id']}", {"order_updated": thing})

    def spoil(self, order):
        order["state"] = "FROZEN"


class ToastWorld(World):
    def add(self, server, number, **more):
        at = f"2026-03-02T{number % 12 + 1:02d}:{number:02d}:00.000+0000"
        order = toast.order(
            guid=f"T{number}", modifiedDate=at, checks=[toast.check(modifiedDate=at)]
        )
        server.orders.append(order)
        return order

    def body(self, order):
        return toast.updated(f"push-{order['guid']}", order)

    def spoil(self, order):
        order["approvalStatus"] = "FROZEN"


class ElemeWorld(World):
    def add(self, server, number, **more):
        order = {**eleme.ORDER, "orderId": f"30147285{number}", "id": f"30147285{number}"}
        server.messages.append(eleme.message(10, f"request-{number}", order, shopId=self.code))
        return server.messages[-1]

    def body(self, order):
        return order

    def spoil(self, order):
        order["type"] = 10
        order["message"] = '{"orderId": "1", "status": "frozen"}'


class MeituanWorld(World):
    def add(self, server, number, **more):
        order = {
            **meituan.ORDER,
            "order_id": str(59309931191316390 + number),
            "day_seq": str(number),
            "status": "8",
        }
        server.orders["20260302", number] = order
        return order

    def body(self, order):
        return order

    def spoil(self, order):
        order["status"] = "77"


class KeruyunWorld(World):
    def add(self, server, number, **more):
        server.orders.append(
            keruyun.answer(
                "SETTLED",
                1772424000000,
                keruyun.TRADE + number,
                base={"openTime": f"2026-03-02 12:00:{number:02d}"},
                openPaymentDetailVoList=[keruyun.paid(f"P{number}", 17490, -5)],
            )
        )
        return server.orders[-1]

    def body(self, order):
        return keruyun.pushed(2, int(order["data"]["orderBaseVO"]["orderId"]))

    def spoil(self, order):
        order["data"]["orderBaseVO"]["orderStatus"] = "FROZEN"


WORLDS = {
    "square": SquareWorld(square.CASE, servers.SquareServer, "L1"),
    "toast": ToastWorld(toast.CASE, servers.ToastServer, "R1"),
    "eleme": ElemeWorld(eleme.CASE, servers.ElemeServer, "156898280"),
    "meituan": MeituanWorld(meituan.CASE, servers.MeituanServer, meituan.SHOP),
    "keruyun": KeruyunWorld(keruyun.CASE, servers.KeruyunServer, keruyun.SHOP),
}


def each_world(*names):
    return pytest.mark.parametrize("world", names or WORLDS, indirect=True)


def ask(made, day=DAY, *, hours=0.0):
    """Have it asked, and let every run that is due in so many hours work."""
    row = reconciling.request(made, day, by="a test")
    work(hours)
    row.refresh_from_db()
    return row


def work(hours=0.0):
    for _ in range(20):
        neural.run_due(now=timezone.now() + dt.timedelta(hours=hours, seconds=2))
        if not TaskRun.objects.filter(state=RunState.PENDING, failures=0).exists():
            return


def numbers(row):
    return (row.found, row.here, row.submitted, row.untranslated)


def orders(kind="order.stated"):
    return NeuralEvent.objects.filter(type=kind)
