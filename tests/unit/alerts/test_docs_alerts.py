"""The guide to alerts names every rule with its thresholds, as they are in the code."""

import re
from pathlib import Path

import pytest

from neural.monitoring.alerts.rules import RULES

GUIDE = (Path(__file__).parents[3] / "docs/monitoring.md").read_text()
SECTION = GUIDE.partition("## Alerts\n")[2].partition("\n## ")[0]


def rows() -> dict[str, str]:
    return {
        name: row
        for row in re.findall(r"^\| `.*$", SECTION, re.M)
        for name in re.findall(r"^\| `(\w+)`", row)
    }


def test_every_rule_has_a_row_and_no_other_has():
    assert sorted(rows()) == RULES.names()


@pytest.mark.parametrize("name", RULES.names())
def test_a_rule_has_its_thresholds_with_their_defaults(name):
    rule = RULES.get(name)
    told = dict(re.findall(r"`(alert_\w+)` ([\d.]+)", rows()[name]))
    assert told == {each.setting: f"{each.default():g}" for each in rule.thresholds}


def test_the_rule_of_ones_own_in_the_guide_works(monkeypatch):
    monkeypatch.setattr(RULES, "_things", {})
    code = SECTION.partition("```python\n")[2].partition("```")[0]
    exec(code, {"read_cold_rooms": lambda warmer_than: []})
    rule = RULES.get("cold_room")
    assert rule.judge(None, {"celsius": 8}).conditions == []
    assert rule.sentence("Room 1", {"celsius": 9}) == "Room 1 has 9 °C"
