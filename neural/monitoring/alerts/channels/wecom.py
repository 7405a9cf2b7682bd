"""Robots of WeCom (企业微信) groups: developer.work.weixin.qq.com, document 99110.

At most 20 messages a minute; Markdown of at most 4,096 bytes. Imports no Django.
"""

import datetime as dt
from typing import Any

from neural.monitoring.alerts.channels.base import Destination, Message, Post
from neural.monitoring.alerts.channels.fitting import as_json, fitted, one_line, unmarked
from neural.monitoring.alerts.channels.robots import JSON, Robot

MOST_BYTES = 4096


class WeComRobot(Robot):
    """A WeCom robot. It has no secret besides the key in its address."""

    hosts = ("qyapi.weixin.qq.com",)
    has_secret = False
    code_field, text_field = "errcode", "errmsg"
    waits = {-1: 10, 45009: 60}
    refusals = frozenset({93000, 40058})

    def build(self, message: Message, destination: Destination, *, now: dt.datetime) -> Post:
        return Post(url=destination.url, headers=JSON, body=as_json(self.content(message)))

    def content(self, message: Message) -> dict[str, Any]:
        """Markdown, whose colours are info (green), comment (grey) and warning (orange)."""
        colour = "info" if message.is_all_clear else "warning"
        head = f'<font color="{colour}">{unmarked(one_line(message.title))}</font>'
        lines = [f"> {unmarked(line)}" for line in message.lines]
        foot = f"[{unmarked(message.link_text)}]({message.link})" if message.link else ""
        text = fitted(head, lines, foot, between="\n", most_bytes=MOST_BYTES)
        return {"msgtype": "markdown", "markdown": {"content": text}}
