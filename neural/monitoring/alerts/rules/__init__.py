"""The rules of alerts. Apps add their own in a module ``neural_alerts``."""

from neural.monitoring.alerts.judging import Rule
from neural.registry import Registry

RULES: Registry[Rule] = Registry("alert rule")


def register_rule(rule: Rule) -> Rule:
    """Have relays judge this rule, too. Call it in an app's module ``neural_alerts``, which is
    imported at start."""
    return RULES.add(rule.name, rule)
