"""Sends the request of a robot or webhook, and judges the answer.

Neither the request nor an error of it may be logged as it is: the address contains a robot's key.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

from neural.monitoring.alerts.channels.base import (
    TIMEOUT_SECONDS,
    Destination,
    HttpKind,
    Judgement,
    Message,
    Verdict,
)
from neural.monitoring.alerts.channels.dingtalk import DingTalkRobot
from neural.monitoring.alerts.channels.feishu import FeishuRobot
from neural.monitoring.alerts.channels.webhook import Webhook
from neural.monitoring.alerts.channels.wecom import WeComRobot
from neural.monitoring.models import ChannelKind
from neural.outbound.client import AddressRefused, HostUnknown, NoAnswer, request
from neural.outbound.waiting import retry_after

HTTP_KINDS: Mapping[str, HttpKind] = {
    ChannelKind.WEBHOOK: Webhook(),
    ChannelKind.WECOM: WeComRobot(),
    ChannelKind.DINGTALK: DingTalkRobot(),
    ChannelKind.FEISHU: FeishuRobot(),
}
_ASKING_TO_WAIT = (429, 503)


def post(
    kind: HttpKind, message: Message, destination: Destination, *, now: dt.datetime
) -> Judgement:
    """Send one request, for at most :data:`TIMEOUT_SECONDS`. Redirects are not followed, and no
    request goes to a private address unless the setting ``outbound_private_addresses`` is on."""
    if not destination.url:
        return Judgement(verdict=Verdict.MISCONFIGURED, code="no_address")
    built = kind.build(message, destination, now=now)
    try:
        answer = request(
            "POST", built.url, headers=built.headers, body=built.body, timeout=TIMEOUT_SECONDS
        )
    except HostUnknown as error:
        return Judgement(verdict=Verdict.LATER, code="host_unknown", answer=str(error))
    except AddressRefused as error:
        return Judgement(verdict=Verdict.MISCONFIGURED, code="address_refused", answer=str(error))
    except NoAnswer as error:
        return Judgement(verdict=Verdict.LATER, code="no_answer", answer=str(error))
    judged = kind.judge(answer.status, answer.body)
    asked = retry_after(answer, now=now) if answer.status in _ASKING_TO_WAIT else None
    if asked and judged.verdict is Verdict.LATER:
        return replace(judged, wait_seconds=asked.total_seconds())
    return judged
