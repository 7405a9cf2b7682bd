"""The rule that the guide to alerts shows is one."""

import sys
from pathlib import Path
from types import SimpleNamespace

from neural.monitoring.alerts.rules import RULES

GUIDE = (Path(__file__).parents[3] / "docs/reference/monitoring.md").read_text()
SECTION = GUIDE.partition("## Alerts\n")[2].partition("\n## ")[0]


def test_the_rule_of_ones_own_in_the_guide_works(monkeypatch):
    monkeypatch.setattr(RULES, "_things", {})
    code = SECTION.partition("```python\n")[2].partition("```")[0]
    sensors = SimpleNamespace(read_cold_rooms=lambda warmer_than: [])
    monkeypatch.setitem(sys.modules, "cooling", SimpleNamespace(sensors=sensors))
    monkeypatch.setitem(sys.modules, "cooling.sensors", sensors)
    exec(code, {})
    rule = RULES.get("cold_room")
    assert rule.judge(None, {"celsius": 8}).conditions == []
    assert rule.sentence("Room 1", {"celsius": 9}) == "Room 1 has 9 °C"
