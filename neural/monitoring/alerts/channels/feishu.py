"""Robots of Feishu (飞书) and Lark groups: open.feishu.cn, 'add custom bot'.

At most 100 messages a minute and 5 a second; a request of at most 20 KB. A robot is guarded as one
of DingTalk. Imports no Django.
"""

import base64
import datetime as dt
import hashlib
import hmac
from typing import Any

from neural.monitoring.alerts.channels.base import Destination, Message, Post
from neural.monitoring.alerts.channels.fitting import as_json, fitted, one_line, unmarked
from neural.monitoring.alerts.channels.robots import JSON, Robot

MOST_BYTES = 20_000
_MOST_TEXT = 8_000


class FeishuRobot(Robot):
    """A Feishu or Lark robot."""

    hosts = ("open.feishu.cn", "open.larksuite.com")
    code_field, text_field = "code", "msg"
    waits = {11232: 60}
    refusals = frozenset({19021, 19022, 19024, 19001, 9499})

    def build(self, message: Message, destination: Destination, *, now: dt.datetime) -> Post:
        content = self.content(message)
        if destination.secret:
            seconds = int(now.timestamp())
            signed = signature(destination.secret, seconds=seconds)
            content = {"timestamp": str(seconds), "sign": signed, **content}
        return Post(url=destination.url, headers=JSON, body=as_json(content))

    def content(self, message: Message) -> dict[str, Any]:
        """A card with a coloured head."""
        if message.is_all_clear:
            colour = "green"
        else:
            colour = "red" if message.is_critical else "orange"
        foot = f"[{unmarked(message.link_text)}]({message.link})" if message.link else ""
        lines = [unmarked(line) for line in message.lines]
        text = fitted("", lines, foot, between="\n", most_bytes=_MOST_TEXT)
        title = {"tag": "plain_text", "content": one_line(message.title)}
        card = {
            "header": {"template": colour, "title": title},
            "elements": [{"tag": "div", "text": {"tag": "lark_md", "content": text}}],
        }
        return {"msg_type": "interactive", "card": card}


def signature(secret: str, *, seconds: int) -> str:
    """The signature of a request at this time. What is signed is the key; the message is empty."""
    key = f"{seconds}\n{secret}".encode()
    return base64.b64encode(hmac.digest(key, b"", hashlib.sha256)).decode()
