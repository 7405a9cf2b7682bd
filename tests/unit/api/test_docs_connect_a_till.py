"""docs/tutorial/connect-a-till.md, walked from top to bottom in both languages: each block is given
to a shell, and what the page shows is in the answer."""

import datetime as dt
import json
import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

import neural
from neural.models import Store
from neural.restaurant.days.summary import summarise

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
STATUS = re.compile(r"\b[245]\d\d\b")


def steps(page: str) -> list[tuple[str, str, str]]:
    """What is entered, with the prose after it and what the page shows of the answer."""
    blocks = list(BLOCK.finditer(page))
    return [
        (entered[2], page[entered.end() : shown.start()], shown[2])
        for entered, shown in pairwise(blocks)
        if entered[1] == "sh" and shown[1] in ("json", "text")
    ]


def parts(text: str) -> list[Any]:
    """An object, or one a line."""
    try:
        return [json.loads(text)]
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines()]


def has(answer: Any, shown: Any) -> bool:
    """Whether what is shown is in the answer; of a list, as many in the same order."""
    if isinstance(shown, dict):
        return all(name in answer and has(answer[name], shown[name]) for name in shown)
    if isinstance(shown, list):
        return len(answer) == len(shown) and all(map(has, answer, shown))
    return bool(answer == shown)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("language", ["", "zh"])
def test_the_page_leads_from_a_key_to_a_day_that_agrees(language, live_server, fake_broker, capsys):
    page = (DOCS / language / "tutorial" / "connect-a-till.md").read_text()
    store = Store.objects.create(code="S01", confirmed=True)
    command = re.search(r"^\$ \S+ manage.py (api_key .*)$", page, re.M)
    call_command(*shlex.split(command[1]))
    here = {"URL": f"{live_server.url}/api/v1", "KEY": capsys.readouterr().out.strip()}
    functions = re.search(r"^```sh\n(send\(\).*?)^```$", page, re.M | re.S)[1]

    walked = steps(page)
    for entered, prose, shown in walked:
        shell = subprocess.run(
            ["/bin/sh", "-c", functions + entered], env=here, capture_output=True, text=True
        )
        *answer, status = shell.stdout.strip().split("\n")
        assert status == STATUS.search(prose)[0], entered + shell.stdout + shell.stderr
        assert has(parts("\n".join(answer).strip()), parts(shown)), entered + shell.stdout
        neural.run_due()

    assert len(walked) == len(re.findall("^(?:send|ask) ", page, re.M))
    (comparison,) = summarise(store, dt.date(2026, 3, 1)).comparisons[:1]
    assert comparison.agrees
