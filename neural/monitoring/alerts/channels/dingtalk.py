"""Robots of DingTalk (钉钉) groups: open.dingtalk.com, 'custom robot access'.

At most 20 messages a minute, or the robot is silent for ten; a message of at most 20,000 bytes. A
robot is guarded by keywords, by a signature or by addresses. Imports no Django.
"""

import base64
import datetime as dt
import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode

from neural.monitoring.alerts.channels.base import Destination, Message, Post
from neural.monitoring.alerts.channels.fitting import as_json, fitted, one_line, unmarked
from neural.monitoring.alerts.channels.robots import JSON, Robot

MOST_BYTES = 20_000
_MOST_TEXT = 8_000
"""In JSON, quotation marks and line ends take twice their bytes."""
_SILENT_SECONDS = 600


class DingTalkRobot(Robot):
    """A DingTalk robot."""

    hosts = ("oapi.dingtalk.com",)
    code_field, text_field = "errcode", "errmsg"
    waits = {-1: 10, 130101: _SILENT_SECONDS}
    refusals = frozenset({310000, 300001, 300005})

    def build(self, message: Message, destination: Destination, *, now: dt.datetime) -> Post:
        url = destination.url
        if destination.secret:
            milliseconds = int(now.timestamp() * 1000)
            signed = {
                "timestamp": milliseconds,
                "sign": signature(destination.secret, milliseconds=milliseconds),
            }
            url += ("&" if "?" in url else "?") + urlencode(signed)
        return Post(url=url, headers=JSON, body=as_json(self.content(message)))

    def content(self, message: Message) -> dict[str, Any]:
        """Markdown, in which only an empty line ends a paragraph. The title is what a telephone
        shows of it."""
        title = unmarked(one_line(message.title))
        foot = f"[{unmarked(message.link_text)}]({message.link})" if message.link else ""
        lines = [unmarked(line) for line in message.lines]
        text = fitted(f"#### {title}", lines, foot, between="\n\n", most_bytes=_MOST_TEXT)
        return {"msgtype": "markdown", "markdown": {"title": title, "text": text}}


def signature(secret: str, *, milliseconds: int) -> str:
    """The signature of a request at this time, not yet percent-encoded."""
    signed = f"{milliseconds}\n{secret}".encode()
    return base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()
