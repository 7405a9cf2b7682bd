"""The admin's pages of alert rules: switched on or off, thresholds, muted for a time.

Rules are code; a rule has a row once somebody has changed it. They concern the whole chain, so
only users who see every store see them.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.admin.display import NOTHING, instant
from neural.admin.pages import page
from neural.admin.scope import ChainWide, NeuralAdmin, section
from neural.kit.sites import page_of
from neural.monitoring.alerts.rules import RULES, Rule, Threshold
from neural.monitoring.models import AlertRule

PREFIX = "threshold_"


class AlertRuleForm(forms.ModelForm):
    """Typed fields for the thresholds of one rule; an empty one means the settings' value."""

    class Meta:
        model = AlertRule
        fields = ("enabled", "muted_until")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = self.instance.thresholds
        for name in self._threshold_fields():
            self.initial[name] = own.get(name.removeprefix(PREFIX))

    def _threshold_fields(self) -> list[str]:
        return [name for name in self.fields if name.startswith(PREFIX)]

    def save(self, commit: bool = True) -> Any:
        """Keep the thresholds that were filled in."""
        given = {name: self.cleaned_data[name] for name in self._threshold_fields()}
        self.instance.thresholds = {
            name.removeprefix(PREFIX): value for name, value in given.items() if value is not None
        }
        return super().save(commit)


def form_for(rule: Rule) -> type[AlertRuleForm]:
    """The form with a field for each threshold of this rule."""
    fields = {f"{PREFIX}{each.name}": _field(each) for each in rule.thresholds}
    return type("FormOfRule", (AlertRuleForm,), fields)


def _field(threshold: Threshold) -> forms.FloatField:
    usual = _("Empty: %(value)s, from the settings.") % {"value": f"{threshold.default():g}"}
    return forms.FloatField(
        label=threshold.label,
        required=False,
        min_value=threshold.least,
        max_value=threshold.most,
        help_text=usual,
    )


@page(AlertRule)
class AlertRuleAdmin(ChainWide, NeuralAdmin):
    exported = False

    never = ("add", "delete")

    # The list: every rule, whether it has a row or not

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """All rules, with what people have changed."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = AlertRule.objects.in_bulk()
        return self.own_page(
            request,
            "admin/neural_monitoring/alertrule/rules.html",
            title=capfirst(self.opts.verbose_name_plural),
            rules=[_row(rule, rows.get(rule.name)) for rule in RULES.by_name()],
            **(extra_context or {}),
        )

    # A rule's page

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """The rule's row, or a new one that is written when somebody saves it."""
        rule = RULES.find(unquote(object_id))
        if rule is None:
            return None
        return AlertRule.objects.filter(pk=rule.name).first() or AlertRule(name=rule.name)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        rule = RULES.find(obj.name) if obj else None
        if rule and self.has_change_permission(request, obj):
            kwargs["form"] = form_for(rule)
            kwargs["fields"] = ("enabled", "muted_until", *_thresholds_of(rule))
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        rule = RULES.find(obj.name) if obj else None
        fieldsets: list[Any] = [section(None, "enabled", "muted_until")]
        if rule is None or not rule.thresholds:
            return fieldsets
        changes = self.has_change_permission(request, obj)
        names = _thresholds_of(rule) if changes else ("thresholds_in_words",)
        return [*fieldsets, section(_("Thresholds"), *names)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.has_change_permission(request, obj):
            return ()
        return ("enabled", "muted_until", "thresholds_in_words")

    @admin.display(description=gettext_lazy("thresholds"))
    def thresholds_in_words(self, row: AlertRule) -> str:
        """The thresholds in force, for those who may not change them."""
        rule = RULES.find(row.name)
        return _in_words(rule, row) if rule else NOTHING

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        rule = RULES.find(row.name)
        title = {"title": rule.title} if rule else {}
        return super().row_context(request, row) | title


def _thresholds_of(rule: Rule) -> tuple[str, ...]:
    return tuple(f"{PREFIX}{each.name}" for each in rule.thresholds)


def _row(rule: Rule, row: AlertRule | None) -> dict[str, Any]:
    return {
        "name": rule.name,
        "title": rule.title,
        "address": page_of(AlertRule, rule.name),
        "enabled": row.enabled if row else True,
        "muted_until": instant(row.muted_until) if row and row.muted_until else "",
        "thresholds": _in_words(rule, row),
    }


def _in_words(rule: Rule, row: AlertRule | None) -> str:
    own = row.thresholds if row else {}
    texts = (f"{each.label}: {own.get(each.name, each.default()):g}" for each in rule.thresholds)
    return _("; ").join(texts) or NOTHING
