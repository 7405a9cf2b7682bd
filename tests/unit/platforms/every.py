"""Every platform and every push of theirs, as tests take them."""

import json
from typing import Any

import pytest

from neural.events.types import event_type
from neural.hooks.platforms.base import Push, Translated
from tests.unit.platforms import deliverect, eleme, keruyun, meituan, square, toast
from tests.unit.platforms.case import PlatformCase, Pushed

CASES = [module.CASE for module in (square, toast, deliverect, eleme, meituan, keruyun)]
EACH = [(case, pushed) for case in CASES for pushed in case.pushes]

each_platform = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_push = pytest.mark.parametrize(
    ("case", "pushed"), EACH, ids=[f"{case.name}: {pushed.name}" for case, pushed in EACH]
)


def named(case: PlatformCase, name: str) -> Pushed:
    return next(pushed for pushed in case.pushes if pushed.name == name)


def stored(push: Push) -> Push:
    """What is left of a push when it is fetched and translated: not the code of its store."""
    return Push(
        push_id=push.push_id,
        body=json.loads(json.dumps(push.body)),
        occurred_at=push.occurred_at,
        headers=push.headers,
    )


def translated(case: PlatformCase, pushed: Pushed) -> list[Translated]:
    """As it is translated later: the push was stored as JSON meanwhile."""
    return list(case.platform.translate(stored(case.push(pushed)), pushed.details))


def checked(told: Translated) -> Any:
    """The payload as its schema reads it."""
    return event_type(told.type).schema.model_validate(dict(told.payload))
