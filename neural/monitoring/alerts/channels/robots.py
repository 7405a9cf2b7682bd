"""The robots of chat groups: WeCom, DingTalk, Feishu. Imports no Django.

Their answers are JSON with a code; a refusal comes with status 200, too. A robot of DingTalk or
Feishu is guarded by keywords, by a signature or by addresses.
"""

import base64
import datetime as dt
import hashlib
import hmac
import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from neural.kit.outbound.answers import Answer, Post, Verdict
from neural.monitoring.alerts.channels.base import (
    Destination,
    HttpKind,
    Message,
)
from neural.monitoring.alerts.channels.fitting import as_json, fitted, one_line, unmarked

WECOM_MOST_BYTES = 4096
_MOST_TEXT = 8_000
"""Of a message to DingTalk or Feishu, which takes 20,000 bytes: in JSON, quotation marks and line
ends take twice their bytes."""
_JSON = {"Content-Type": "application/json; charset=utf-8"}
_BUSY = 429


class Robot(HttpKind):
    """A robot of a chat group. Its address contains its key."""

    code_field: str
    text_field: str
    waits: Mapping[int, float]
    """Codes that mean 'later', and after how many seconds."""
    refusals: frozenset[int]
    """Codes that mean a wrong address, secret or setting of the robot."""

    @abstractmethod
    def content(self, message: Message) -> dict[str, Any]:
        """The message as the platform wants it, not yet signed."""

    def build(self, message: Message, destination: Destination, *, now: dt.datetime) -> Post:
        return Post(url=destination.url, headers=_JSON, body=as_json(self.content(message)))

    def judge(self, status: int, body: bytes) -> Answer:
        answered = _parsed(body)
        code = answered.get(self.code_field)
        if not isinstance(code, int) or isinstance(code, bool):
            wait = 60 if status == _BUSY else None
            text = body.decode("utf-8", "replace")
            return Answer(Verdict.LATER, f"HTTP {status}", text, wait_seconds=wait)
        text = str(answered.get(self.text_field, ""))
        if code == 0 and 200 <= status < 300:
            return Answer(Verdict.SENT, str(code), text)
        if code in self.refusals:
            return Answer(Verdict.MISCONFIGURED, str(code), text)
        return Answer(Verdict.LATER, str(code), text, wait_seconds=self.waits.get(code))


def _parsed(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _link(message: Message) -> str:
    return f"[{unmarked(message.link_text)}]({message.link})" if message.link else ""


class WeComRobot(Robot):
    """A robot of a WeCom (企业微信) group: developer.work.weixin.qq.com, document 99110.

    At most 20 messages a minute; Markdown of at most 4,096 bytes. It has no secret besides the key
    in its address.
    """

    hosts = ("qyapi.weixin.qq.com",)
    has_secret = False
    code_field, text_field = "errcode", "errmsg"
    waits = {-1: 10, 45009: 60}
    refusals = frozenset({93000, 40058})

    def content(self, message: Message) -> dict[str, Any]:
        """Markdown, whose colours are info (green), comment (grey) and warning (orange)."""
        colour = "info" if message.is_all_clear else "warning"
        head = f'<font color="{colour}">{unmarked(one_line(message.title))}</font>'
        lines = [f"> {unmarked(line)}" for line in message.lines]
        text = fitted(head, lines, _link(message), between="\n", most_bytes=WECOM_MOST_BYTES)
        return {"msgtype": "markdown", "markdown": {"content": text}}


class DingTalkRobot(Robot):
    """A robot of a DingTalk (钉钉) group: open.dingtalk.com, 'custom robot access'.

    At most 20 messages a minute, or the robot is silent for ten; a message of at most 20,000 bytes.
    """

    hosts = ("oapi.dingtalk.com",)
    code_field, text_field = "errcode", "errmsg"
    waits = {-1: 10, 130101: 600}
    refusals = frozenset({310000, 300001, 300005})

    def build(self, message: Message, destination: Destination, *, now: dt.datetime) -> Post:
        url = destination.url
        if destination.secret:
            milliseconds = int(now.timestamp() * 1000)
            sign = dingtalk_signature(destination.secret, milliseconds=milliseconds)
            url += "&" if "?" in url else "?"
            url += urlencode({"timestamp": milliseconds, "sign": sign})
        return Post(url=url, headers=_JSON, body=as_json(self.content(message)))

    def content(self, message: Message) -> dict[str, Any]:
        """Markdown, in which only an empty line ends a paragraph. The title is what a telephone
        shows of it."""
        title = unmarked(one_line(message.title))
        lines = [unmarked(line) for line in message.lines]
        head, foot = f"#### {title}", _link(message)
        text = fitted(head, lines, foot, between="\n\n", most_bytes=_MOST_TEXT)
        return {"msgtype": "markdown", "markdown": {"title": title, "text": text}}


def dingtalk_signature(secret: str, *, milliseconds: int) -> str:
    """The signature of a request at this time, not yet percent-encoded."""
    signed = f"{milliseconds}\n{secret}".encode()
    return base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()


class FeishuRobot(Robot):
    """A robot of a Feishu (飞书) or Lark group: open.feishu.cn, 'add custom bot'.

    At most 100 messages a minute and 5 a second; a request of at most 20 KB.
    """

    hosts = ("open.feishu.cn", "open.larksuite.com")
    code_field, text_field = "code", "msg"
    waits = {11232: 60}
    refusals = frozenset({19021, 19022, 19024, 19001, 9499})

    def build(self, message: Message, destination: Destination, *, now: dt.datetime) -> Post:
        content = self.content(message)
        if destination.secret:
            seconds = int(now.timestamp())
            sign = feishu_signature(destination.secret, seconds=seconds)
            content = {"timestamp": str(seconds), "sign": sign, **content}
        return Post(url=destination.url, headers=_JSON, body=as_json(content))

    def content(self, message: Message) -> dict[str, Any]:
        """A card with a coloured head."""
        colour = "red" if message.is_critical else "orange"
        lines = [unmarked(line) for line in message.lines]
        text = fitted("", lines, _link(message), between="\n", most_bytes=_MOST_TEXT)
        title = {"tag": "plain_text", "content": one_line(message.title)}
        card = {
            "header": {"template": "green" if message.is_all_clear else colour, "title": title},
            "elements": [{"tag": "div", "text": {"tag": "lark_md", "content": text}}],
        }
        return {"msg_type": "interactive", "card": card}


def feishu_signature(secret: str, *, seconds: int) -> str:
    """The signature of a request at this time. What is signed is the key; the message is empty."""
    key = f"{seconds}\n{secret}".encode()
    return base64.b64encode(hmac.digest(key, b"", hashlib.sha256)).decode()
