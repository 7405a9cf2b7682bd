"""Signed webhooks by Standard Webhooks 1.0.0: a body of less than 20 KB. Imports no Django."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from neural.kit.outbound import signing
from neural.kit.outbound.answers import Answer, Post, by_status
from neural.monitoring.alerts.channels.base import Destination, HttpKind, Message
from neural.monitoring.alerts.channels.fitting import as_json, cut, plain

MOST_BYTES = 20_000
USER_AGENT = "Zhilian-Neural-Alerts/1.0"
_LONGEST_TEXT = 1000


class Webhook(HttpKind):
    """A receiver that verifies who has sent a message."""

    def build(self, message: Message, destination: Destination, *, now: dt.datetime) -> Post:
        body = body_of(message)
        headers = signing.headers(
            [destination.secret],
            message_id=message.message_id,
            body=body,
            user_agent=USER_AGENT,
            now=now,
        )
        return Post(url=destination.url, headers=headers, body=body)

    def judge(self, status: int, body: bytes) -> Answer:
        return by_status(status, body)


def body_of(message: Message) -> bytes:
    """``{"type", "timestamp", "data"}``. Alerts that do not fit are counted as ``left_out``."""
    data = {
        "title": cut(plain(message.title), _LONGEST_TEXT),
        "link": message.link,
        **{name: value for name, value in message.data.items() if name != "alerts"},
    }
    alerts = [_shortened(each) for each in message.data.get("alerts", ())]
    left_out = int(data.pop("left_out", 0))
    for count in range(len(alerts), -1, -1):
        body = _body(message, data, alerts[:count], left_out + len(alerts) - count)
        if len(body) < MOST_BYTES:
            break
    return body


def _body(message: Message, data: Mapping[str, Any], alerts: Sequence[Any], left_out: int) -> bytes:
    full = {**data, "alerts": alerts, "left_out": left_out}
    timestamp = message.created_at.isoformat()
    return as_json({"type": message.type, "timestamp": timestamp, "data": full})


def _shortened(alert: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: cut(plain(value), _LONGEST_TEXT) if isinstance(value, str) else value
        for name, value in alert.items()
    }
