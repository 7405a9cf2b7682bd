"""Faults whose messages hold values of every kind: the same function raises two of them."""

import datetime as dt
import uuid


class OrderRefused(Exception):
    pass


class StoreClosed(Exception):
    def __str__(self):
        return f"store S0{self.args[0]} is closed until {dt.datetime(2026, 5, self.args[0], 8, 30)}"


def _refuse(text):
    raise OrderRefused(text)


def number(n):
    _refuse(f"order {n * 997} is unknown")


def number_and_amount(n):
    _refuse(f"order {n * 997} costs ¥{n},{n}00.50, not -{n}.5 or {n}e+10")


def an_id(n):
    _refuse(f"order {uuid.UUID(int=n * 10**33)} is unknown to the till")


def hexadecimal(n):
    _refuse(f"checksum 0x{n * 4096:x} of {n * 0x1234567890ABCDEF1234567:032x} differs")


def mail(n):
    _refuse(f"no mail to guest.{n}@mail{n}.example.com can be sent")


def address(n):
    _refuse(f"GET https://api{n}.example.com/orders/{n}?page={n} answered HTTP 503")


def other_status(n):
    _refuse(f"GET https://api{n}.example.com/orders/{n}?page={n} answered HTTP 404")


def host(n):
    _refuse(f"cannot connect to till{n}.shop.local:80{n}0")


def network_address(n):
    _refuse(f"cannot reach 10.0.{n}.1:6379 or fe80::{n}:1")


def date(n):
    _refuse(f"no sales on 2026-0{n}-1{n} at 1{n}:00:0{n}")


def moment(n):
    _refuse(f"sold at 2026-0{n}-1{n}T0{n}:00:00.{n}00+08:00 before the store existed")


def duration(n):
    _refuse("gave up after " + {1: "1 second", 2: "2.5 seconds", 3: "3s"}[n])


def quoted(n):
    _refuse(f"guest 'Zhang {'San' * n}' is on no list")


def quoted_in_chinese(n):
    _refuse(f"顾客“张{'三' * n}”不在名单上,订单{n}")


def double_quoted(n):
    _refuse(f'no table "{"window" * n}" in the hall')


def a_list(n):
    _refuse(f"unknown items {[f'tea {each}' for each in range(n)]}")


def a_mapping(n):
    _refuse(f"not a line: { {f'k{each}': [each, None] for each in range(n)} }")


def a_set(n):
    _refuse(f"too many of { {f'item {each}' for each in range(n + 1)} }")


def an_object(n):
    _refuse(f"cannot cook {object()}")


def a_class(n):
    _refuse(f"cannot cook {dt.date}")


def another_class(n):
    _refuse(f"cannot cook {dt.time}")


def a_path(n):
    _refuse(f"cannot read /srv/menus/store-{n}/menu.{n}.csv now")


def a_code(n):
    _refuse(f"store SH0{n} has no menu for TK2026{n}-00{n}")


def several_lines(n):
    _refuse("\n".join(["2 problems", *[f"line {each}: no price" for each in range(n)]]))


def very_long(n):
    _refuse(f"bad photo {'ab1' * 1000 * n}")


def of_an_own_class(n):
    raise StoreClosed(n)


def with_a_note(n):
    error = OrderRefused(f"order {n} has no till")
    error.add_note(f"while handling event {n}")
    raise error


def with_a_detail(n):
    _refuse(
        f'duplicate key value violates unique constraint "orders_key"\nDETAIL:  Key (id)=({n}).'
    )


def with_another_constraint(n):
    _refuse(f'duplicate key value violates unique constraint "lines_key"\nDETAIL:  Key (id)=({n}).')


def unreadable(n):
    raise Unreadable(n)


class Unreadable(Exception):
    def __str__(self):
        raise ValueError(self.args[0])
