"""Alerts and channels of tests."""

import base64
import datetime as dt
from typing import Any

from django.utils import timezone

from neural.monitoring.alerts.channels.base import Message
from neural.monitoring.alerts.composing import News
from neural.monitoring.alerts.news import tell
from neural.monitoring.models import Alert, AlertChannel, AlertMessage

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
PATHS = {
    "webhook": "/receive/t0kentoken",
    "wecom": "/cgi-bin/webhook/send?key=693a91f6-7xxx",
    "dingtalk": "/robot/send?access_token=566cc69da782ec8f",
    "feishu": "/open-apis/bot/v2/hook/c3f7a6d2-5b14",
    "apprise": "",
}
TAKEN = {
    "webhook": b"",
    "wecom": b'{"errcode":0,"errmsg":"ok"}',
    "dingtalk": b'{"errcode":0,"errmsg":"ok"}',
    "feishu": b'{"code":0,"msg":"success","data":{}}',
}
"""How each platform says that it took a message."""


def channel(kind: str = "wecom", url: str = "https://hooks.example", **fields: Any) -> Any:
    """A saved channel of this kind; ``url`` is the server's, without a path."""
    secret = {"webhook": SECRET, "dingtalk": "SECtest", "feishu": "test"}.get(kind, "")
    secrets = {} if kind == "email" else {"url": url + PATHS[kind], "secret": secret}
    values = {"name": kind, "kind": kind, "secrets": secrets, "language": "en", **fields}
    if kind == "email":
        values.setdefault("addresses", "ops@chain.example\nboss@chain.example")
    return AlertChannel.objects.create(**values)


def alert(rule: str = "no_worker", subject: str = "default", **fields: Any) -> Alert:
    """A saved alert that fires."""
    values = {
        "severity": "warning",
        "state": "firing",
        "facts": {"runs": 3, "seconds": 90},
        **fields,
    }
    return Alert.objects.create(rule=rule, subject=subject, **values)


def told(*alerts: Alert, what: Any = "raised", now: dt.datetime | None = None) -> None:
    """Tell people of these."""
    tell([News(each, what) for each in alerts], now=now or timezone.now())


def only() -> AlertMessage:
    """The one message that there is."""
    return AlertMessage.objects.get()


def message(**fields: Any) -> Message:
    """A message to people."""
    values: dict[str, Any] = {
        "message_id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "type": "alert.raised",
        "created_at": dt.datetime(2026, 11, 27, 4, tzinfo=dt.UTC),
        "title": "Alert · critical: nobody reads default",
        "lines": ["3 runs are due.", "Since: 12:00"],
        "link": "https://chain.example/admin/alert/1/",
        "link_text": "Open in the admin",
        "thread": "no_worker\ndefault",
        "data": {"alerts": [{"rule": "no_worker", "text": "3 runs are due."}], "left_out": 0},
    }
    return Message(**values | fields)
