"""Faults of plain Python: each public function fails, with values that depend on ``n``."""

import json
import uuid
from dataclasses import dataclass
from decimal import Decimal


@dataclass
class Line:
    item: str
    price: object = None


def missing_key(n):
    return {"quantity": n}["price"]


def missing_other_key(n):
    return {"quantity": n}["unit price"]


def missing_number_key(n):
    return {}[n * 1000]


def missing_id_key(n):
    return {}[uuid.UUID(int=n * 10**30)]


def missing_attribute(n):
    return Line(f"tea {n}").discount


def attribute_of_none(n):
    return _amount(Line("tea"), n).price


def other_attribute_of_none(n):
    return _amount(Line("tea"), n).tax


def _amount(line, n):
    return line.price


def in_one_function_a(n):
    return _either(n, "price")


def in_one_function_b(n):
    return _either(n, "name")


def _either(n, which):
    if which == "price":
        return None.price
    return None.name


def unknown_name(n):
    return undefined_rate * n


def unbound_name(n):
    if n < 0:
        rate = 1
    return rate


def division(n):
    return n / 0


def decimal_division(n):
    return Decimal(n) % Decimal(0)


def index_range(n):
    return [1] * n and [][n]


def not_a_number(n):
    return int(f"twelve{n}")


def not_a_float(n):
    return float(f"12,{n}")


def wrong_unpacking(n):
    first, second = range(n + 2)
    return first, second


def wrong_types(n):
    return "x" * n + n


def missing_argument(n):
    return Line()


def unexpected_argument(n):
    return Line(item="x", colour=n)


def not_callable(n):
    return n()


def not_subscriptable(n):
    return n["price"]


def not_json(n):
    return json.dumps({"price": Decimal(n)})


def bad_json(n):
    return json.loads('{"price": ' + "1" * n + "")


def no_json(n):
    return json.loads(f"<html>{n}</html>")


def bad_unicode(n):
    return (b"x" * n + b"\xff\xfe").decode()


def bad_ascii(n):
    return ("价格" * n).encode("ascii")


def assertion(n):
    assert n > 10, f"only {n} portions"


def bare_assertion(n):
    assert n > 10


def stopped(n):
    return next(iter([]))


def in_comprehension(n):
    return [1 / (each - each) for each in range(n)]


def in_dict_comprehension(n):
    return {each: each.price for each in range(n)}


def in_generator(n):
    return sum(each.upper() for each in range(n))


def in_lambda(n):
    return sorted(range(n + 1), key=lambda each: each / 0)


def missing_file(n):
    with open(f"/nonexistent/menu-{n}.csv") as file:
        return file.read()


def a_directory(n):
    with open("/") as file:
        return file.read(n)


def missing_module(n):
    import not_installed_at_all


def missing_name_in_module(n):
    from json import no_such_name


def syntax(n):
    compile(f"price = = {n}", f"<rule {n}>", "exec")


def recursion(n):
    return recursion(n + 1)


def mutual_recursion(n):
    return _ping(n)


def _ping(n):
    return _pong(n)


def _pong(n):
    return _ping(str(n))


def overflow(n):
    return 2.0 ** (n * 10_000)


def bad_percent(n):
    return "%d portions" % f"many {n}"


def abstract(n):
    raise NotImplementedError


def without_message(n):
    raise RuntimeError


def bare_exception(n):
    raise Exception(f"table {n} is taken")


def other_bare_exception(n):
    raise Exception(f"table {n} is closed")
