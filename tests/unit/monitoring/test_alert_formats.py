"""Each kind of channel gets messages in its platform's documented format, within its limits."""

import base64
import datetime as dt
import hashlib
import hmac
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from neural.kit.outbound.answers import Verdict
from neural.kit.outbound.signing import signatures
from neural.monitoring.alerts.channels import robots
from neural.monitoring.alerts.channels.base import Destination, masked
from neural.monitoring.alerts.channels.fitting import cut, fitted, one_line, unmarked
from neural.monitoring.alerts.channels.robots import DingTalkRobot, FeishuRobot, WeComRobot
from neural.monitoring.alerts.channels.webhook import Webhook
from tests.unit.monitoring.alerting import PATHS, SECRET, TAKEN, message

NOW = dt.datetime.fromtimestamp(1700000000, dt.UTC)
KINDS = {
    "webhook": Webhook(),
    "wecom": WeComRobot(),
    "dingtalk": DingTalkRobot(),
    "feishu": FeishuRobot(),
}
CHINESE = "队列积压，最久的已等待二十一分钟。" * 200
ALL = pytest.mark.parametrize("kind", sorted(KINDS))
ROBOTS = pytest.mark.parametrize("kind", ["dingtalk", "feishu", "wecom"])


def destination(kind, secret=SECRET):
    return Destination(url=f"https://robot.example{PATHS[kind]}", secret=secret)


def built(kind, secret=SECRET, **fields):
    return KINDS[kind].build(message(**fields), destination(kind, secret), now=NOW)


def body(kind, **fields):
    return json.loads(built(kind, **fields).body)


def text(kind, **fields):
    """All that people read."""
    sent = body(kind, **fields)
    if kind == "feishu":
        card = sent["card"]
        return card["header"]["title"]["content"] + card["elements"][0]["text"]["content"]
    return sent["markdown"].get("text") or sent["markdown"]["content"]


# Formats


def test_wecom_gets_markdown_with_a_colour_and_a_link():
    assert body("wecom") == {
        "msgtype": "markdown",
        "markdown": {
            "content": '<font color="warning">Alert · critical: nobody reads default</font>\n'
            "> 3 runs are due.\n> Since: 12:00\n"
            "[Open in the admin](https://chain.example/admin/alert/1/)"
        },
    }
    assert built("wecom").url == destination("wecom").url


def test_dingtalk_gets_markdown_with_a_title():
    assert body("dingtalk") == {
        "msgtype": "markdown",
        "markdown": {
            "title": "Alert · critical: nobody reads default",
            "text": "#### Alert · critical: nobody reads default\n\n3 runs are due.\n\n"
            "Since: 12:00\n\n[Open in the admin](https://chain.example/admin/alert/1/)",
        },
    }


def test_feishu_gets_a_card_whose_head_has_the_colour_of_the_severity():
    sent = body("feishu", is_critical=True)
    del sent["timestamp"], sent["sign"]
    assert sent == {
        "msg_type": "interactive",
        "card": {
            "header": {
                "template": "red",
                "title": {
                    "tag": "plain_text",
                    "content": "Alert · critical: nobody reads default",
                },
            },
            "elements": [
                {
                    "tag": "div",
                    "text": {
                        "tag": "lark_md",
                        "content": "3 runs are due.\nSince: 12:00\n"
                        "[Open in the admin](https://chain.example/admin/alert/1/)",
                    },
                }
            ],
        },
    }
    assert body("feishu")["card"]["header"]["template"] == "orange"
    assert body("feishu", is_all_clear=True)["card"]["header"]["template"] == "green"


def test_a_webhook_gets_type_timestamp_and_data():
    assert body("webhook") == {
        "type": "alert.raised",
        "timestamp": "2026-11-27T04:00:00+00:00",
        "data": {
            "title": "Alert · critical: nobody reads default",
            "link": "https://chain.example/admin/alert/1/",
            "alerts": [{"rule": "no_worker", "text": "3 runs are due."}],
            "left_out": 0,
        },
    }


# Signatures


def test_dingtalk_is_signed_in_the_address_percent_encoded_once():
    url = urlsplit(built("dingtalk", secret="SECtest").url)
    query = parse_qs(url.query)
    assert query["access_token"] == ["566cc69da782ec8f"]
    assert query["timestamp"] == ["1700000000000"]
    assert query["sign"] == ["aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g="]
    assert "sign=aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g%3D" in url.query
    assert robots.dingtalk_signature("SECtest", milliseconds=1700000000000) == query["sign"][0]


def test_feishu_is_signed_in_the_body_with_an_empty_message():
    sent = json.loads(built("feishu", secret="test").body)
    assert sent["timestamp"] == "1700000000"
    assert sent["sign"] == "eSJQnOl8XqPTMPHWz9e5IzeHS/tqoc68g2967ekIPmg="
    assert robots.feishu_signature("test", seconds=1700000000) == sent["sign"]


def test_a_robot_without_a_secret_is_not_signed():
    assert "sign" not in json.loads(built("feishu", secret="").body)
    assert built("dingtalk", secret="").url == destination("dingtalk").url


def test_a_webhook_is_signed_as_the_specification_says():
    sent = built("webhook")
    headers = sent.headers
    assert headers["webhook-id"] == message().message_id
    assert headers["webhook-timestamp"] == "1700000000"
    signed = f"{headers['webhook-id']}.1700000000.".encode() + sent.body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_the_signature_is_that_of_the_specifications_example():
    assert (
        signatures(
            ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
            message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp=1614265330,
            body=b'{"test": 2432232314}',
        )
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


# Limits


@pytest.mark.parametrize(("kind", "most"), [("wecom", 4096), ("dingtalk", 20000)])
@pytest.mark.parametrize("line", [CHINESE, "x" * 60_000, '"\\\n' * 20_000, "<@all>" * 5000])
def test_a_text_of_a_robot_keeps_the_limit_and_its_link(kind, most, line):
    values = {"title": line, "lines": [line, line]}
    measured = built(kind, **values).body if kind == "dingtalk" else text(kind, **values).encode()
    assert len(measured) <= most
    assert text(kind, **values).endswith("admin/alert/1/)")


@pytest.mark.parametrize("kind", ["feishu", "webhook"])
@pytest.mark.parametrize("line", [CHINESE, "x" * 60_000, '"\\\n' * 20_000])
def test_a_body_keeps_the_limit_of_twenty_kilobytes(kind, line):
    alerts = [{"rule": "silent_store", "text": line} for _ in range(50)]
    sent = built(kind, title=line, lines=[line], data={"alerts": alerts, "left_out": 2})
    assert len(sent.body) < 20_000
    if kind == "webhook":
        data = json.loads(sent.body)["data"]
        assert data["left_out"] + len(data["alerts"]) == 52
        assert data["alerts"]


@ROBOTS
def test_chinese_text_is_never_cut_within_a_character(kind):
    for spaces in range(4):
        shown = text(kind, lines=[" " * spaces + CHINESE * 3])
        assert "\ufffd" not in shown
        assert "…" in shown


def test_a_text_is_cut_at_a_character_and_ends_with_an_ellipsis():
    assert cut("门店", 6) == "门店"
    assert cut("门店上海", 8) == "门…"
    assert cut("门店", 2) == ""
    assert fitted("a", ["b" * 10], "z", between="\n", most_bytes=9) == "a\nbb…\nz"


@ALL
def test_control_characters_reach_nobody(kind):
    raw = built(kind, title="a\x00b\x1b[31m", lines=["c\u2028d\x07"], data={}).body
    assert not any(each in raw for each in (b"\\u0000", b"\\u001b", b"\\u0007"))


def test_a_title_is_one_line():
    assert one_line("a\r\nBcc: b\n") == "a Bcc: b"


# Mentions


@ROBOTS
@pytest.mark.parametrize(
    "value",
    [
        "<@all>",
        '<at user_id="all">',
        "<at id=all></at>",
        "@13800000000",
        "[x](https://evil.example)",
    ],
)
def test_a_value_mentions_nobody_and_makes_no_link(kind, value):
    shown = text(kind, title=f"Queue {value}", lines=[f"store {value}"])
    if kind == "feishu":  # its title is plain text
        shown = shown.partition("store")[2]
    assert value not in shown
    assert "<at" not in shown
    assert "<@" not in shown


def test_what_has_a_meaning_is_replaced_by_what_looks_like_it():
    assert unmarked("high_priority <@all>") == "high_priority ＜＠all＞"


@ALL
def test_alert_and_all_clear_begin_alike(kind):
    """A keyword filter of the robot that lets one through lets the other through, too."""
    if kind == "webhook":
        return
    raised = text(kind, title="告警 · 严重：无人读取")
    resolved = text(kind, title="告警 · 已恢复：无人读取", is_all_clear=True)
    assert "告警" in raised[:40]
    assert "告警" in resolved[:40]


# Answers


@ALL
def test_a_message_was_taken_if_status_and_code_say_so(kind):
    assert KINDS[kind].judge(200, TAKEN[kind]).verdict is Verdict.SENT


@pytest.mark.parametrize(
    ("kind", "status", "answer", "code"),
    [
        ("wecom", 200, b'{"errcode":93000,"errmsg":"invalid webhook url"}', "93000"),
        ("wecom", 200, b'{"errcode":40058,"errmsg":"content exceed max length"}', "40058"),
        ("dingtalk", 200, b'{"errcode":310000,"errmsg":"sign not match"}', "310000"),
        ("dingtalk", 200, b'{"errcode":300001,"errmsg":"token is not exist"}', "300001"),
        ("dingtalk", 200, b'{"errcode":300005,"errmsg":"token is not exist"}', "300005"),
        ("feishu", 200, b'{"code":19021,"msg":"sign match fail"}', "19021"),
        ("feishu", 200, b'{"code":19022,"msg":"Ip Not Allowed"}', "19022"),
        ("feishu", 200, b'{"code":19024,"msg":"Key Words Not Found"}', "19024"),
        ("feishu", 400, b'{"code":19001,"msg":"incoming webhook access token invalid"}', "19001"),
        ("feishu", 400, b'{"code":9499,"msg":"Bad Request"}', "9499"),
        ("webhook", 410, b"", "HTTP 410"),
        ("webhook", 308, b"", "HTTP 308"),
    ],
)
def test_a_refusal_of_the_setup_is_one_whatever_the_status(kind, status, answer, code):
    judged = KINDS[kind].judge(status, answer)
    assert (judged.verdict, judged.code) == (Verdict.MISCONFIGURED, code)


@pytest.mark.parametrize(
    ("kind", "status", "answer", "wait"),
    [
        ("wecom", 200, b'{"errcode":-1,"errmsg":"system busy"}', 10),
        ("wecom", 200, b'{"errcode":45009,"errmsg":"api freq out of limit"}', 60),
        ("dingtalk", 200, b'{"errcode":130101,"errmsg":"send too fast"}', 600),
        ("feishu", 200, b'{"code":11232,"msg":"frequency limited"}', 60),
        ("wecom", 200, b'{"errcode":777,"errmsg":"something new"}', None),
        ("wecom", 502, b"<html>", None),
        ("wecom", 200, b"", None),
        ("wecom", 200, b"[0]", None),
        ("wecom", 500, b'{"errcode":0}', None),
        ("feishu", 429, b"", 60),
        ("webhook", 429, b"", None),
        ("webhook", 503, b"", None),
        ("webhook", 302, b"", None),
        ("webhook", 404, b"", None),
    ],
)
def test_any_other_answer_is_tried_again(kind, status, answer, wait):
    judged = KINDS[kind].judge(status, answer)
    assert (judged.verdict, judged.wait_seconds) == (Verdict.LATER, wait)


# Secrets


@ALL
def test_no_form_of_an_address_or_secret_survives_masking(kind):
    here = destination(kind)
    token = PATHS[kind].replace("=", "/").split("/")[-1]
    for told in (here.url, here.secret, token, f"no such hook: {PATHS[kind]}"):
        shown = masked(f"refused ({told})", here)
        assert token not in shown
        assert here.secret not in shown
        assert SECRET.removeprefix("whsec_") not in shown


@ALL
def test_no_text_of_an_object_shows_an_address_or_secret(kind):
    for shown in (repr(destination(kind)), repr(built(kind))):
        assert "robot.example" not in shown
        assert SECRET not in shown
