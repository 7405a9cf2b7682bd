"""Faults in libraries that own code calls."""

import csv
import datetime as dt
import decimal
import http.client
import re
import socket
import urllib.request
import xml.etree.ElementTree
import zoneinfo

import kombu
import pydantic
import redis
import urllib3
from celery import Celery
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.serializers import deserialize
from django.core.validators import validate_email
from django.template import Context, Template
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from redis.backoff import NoBackoff
from redis.retry import Retry


class Order(pydantic.BaseModel):
    price: decimal.Decimal
    portions: int = 1


class Lines(pydantic.BaseModel):
    lines: list[Order]


def pydantic_price(n):
    Order(price=f"dear {n}")


def pydantic_portions(n):
    Order(price=1, portions=f"many {n}")


def pydantic_missing(n):
    Order(portions=n)


def pydantic_lines(n):
    Lines(lines=[{"price": "x"}] * n)


def pydantic_json(n):
    Order.model_validate_json('{"price": ' + "1" * n)


def _redis(**options):
    return redis.Redis(retry=Retry(NoBackoff(), 0), socket_connect_timeout=1, **options)


def redis_away(n):
    _redis(host="127.0.0.1", port=n).ping()


def redis_name(n):
    _redis(host=f"redis{n}.invalid").ping()


def kombu_away(n):
    kombu.Connection(f"redis://127.0.0.1:{n}/0", transport_options={}).ensure_connection(
        max_retries=0, timeout=1
    )


def kombu_scheme(n):
    kombu.Connection(f"carrier{n}://nowhere").connect()


def urllib_away(n):
    urllib.request.urlopen(f"http://127.0.0.1:{n}/orders/{n}", timeout=1)


def urllib_scheme(n):
    urllib.request.urlopen(f"carrier://orders/{n}")


def urllib3_away(n):
    urllib3.PoolManager().request("GET", f"http://127.0.0.1:{n}/menus/{n}", retries=0)


def urllib3_address(n):
    urllib3.PoolManager().request("GET", f"http://[::{n}/")


def http_closed(n):
    http.client.HTTPConnection("127.0.0.1", n, timeout=1).request("GET", "/")


def socket_name(n):
    socket.create_connection((f"till{n}.invalid", 80), timeout=1)


def celery_unknown(n):
    Celery("none", set_as_current=False).tasks[f"kitchen.task"]


def template_syntax(n):
    Template("{% if price %}" + "x" * n)


def template_tag(n):
    Template("{% cook %}" + "x" * n)


def template_filter(n):
    Template("{{ price|portions }}").render(Context({"price": n}))


def no_reverse(n):
    reverse("kitchen-order", args=[n])


def invalid_mail(n):
    validate_email(f"guest {n}")


def validation(n):
    raise ValidationError({"price": [f"{n} is too dear"]})


def misconfigured(n):
    raise ImproperlyConfigured(f"The setting 'KITCHEN' lacks {n} entries")


def deserialized(n):
    list(deserialize("json", f'[{{"model": "kitchen.order", "pk": {n}}}]'))


def bad_date(n):
    dt.date.fromisoformat(f"2026-13-0{n}")


def bad_format(n):
    dt.datetime.strptime(f"{n}th of May", "%Y-%m-%d")


def naive_time(n):
    return dt.datetime(2026, 5, n) < dt.datetime.now(dt.UTC)


def bad_zone(n):
    zoneinfo.ZoneInfo(f"Asia/Nowhere{n}")


def day_out_of_range(n):
    parse_datetime(f"2026-02-3{n % 2} 10:00:00")


def bad_decimal(n):
    decimal.Decimal(f"{n} yuan")


def bad_pattern(n):
    re.compile("(" * n)


def bad_xml(n):
    xml.etree.ElementTree.fromstring("<a>" * n)


def bad_csv(n):
    list(csv.reader(["a\0" * n, 'x"'], strict=True, quoting=csv.QUOTE_ALL, delimiter="ab"))
