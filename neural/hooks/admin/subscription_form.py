"""The form of a subscription: what it gets, from which stores, and where it is sent."""

from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from django.core.exceptions import ValidationError
from django.utils import translation
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from neural.events.types import event_types
from neural.hooks.models import Subscription
from neural.hooks.outgoing.subscribed import OUTCOMES, matches_nothing
from neural.outbound.client import AddressRefused, NoAnswer, check_url

MOST_TYPES = 100


class SubscriptionForm(forms.ModelForm):
    """A subscription. Its types are typed, one in a line; its address is checked when it is saved,
    and again whenever something is sent."""

    types = forms.CharField(
        label=_("types"),
        widget=AdminTextareaWidget({"rows": 5, "spellcheck": "false"}),
        help_text=_(
            "One in each line: an event type like order.stated, a family like order.*, or * for "
            "every event. Outcomes of the events' runs: run.succeeded, run.dead."
        ),
    )

    class Meta:
        model = Subscription
        fields = ("name", "url", "types", "every_store", "stores", "history")
        widgets = {"url": AdminTextInputWidget({"class": "vLargeTextField"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "types" in self.fields:  # Django writes only the labels of a model's fields large
            self.fields["types"].label = capfirst(_("types"))
        if self.instance.pk and "types" in self.fields:
            self.initial["types"] = "\n".join(self.instance.types)

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip()
        try:
            check_url(url)
        except AddressRefused as error:
            raise ValidationError(translation.gettext(error.text) % error.values) from None
        except NoAnswer as error:
            raise ValidationError(str(error)) from None
        return url

    def clean_types(self) -> set[str]:
        """The names, without repetitions. Each must be able to match something."""
        names = {each.strip() for each in self.cleaned_data["types"].splitlines()} - {""}
        known = [each.name for each in event_types()]
        problems = []
        if len(names) > MOST_TYPES:
            told = _("At most %(count)d types; a family like order.* needs only one.")
            problems.append(told % {"count": MOST_TYPES})
        for name in sorted(names)[:MOST_TYPES]:
            if matches_nothing(name, known):
                told = _("Nothing is ever called “%(name)s”. Known are: %(known)s")
                listed = ", ".join(sorted([*known, *OUTCOMES]))
                problems.append(told % {"name": name[:100], "known": listed})
        if problems:
            raise ValidationError(problems)
        return names

    def clean(self) -> dict[str, Any]:
        """Require stores, or every store: never both, and never none."""
        cleaned = super().clean() or {}
        every_store, stores = cleaned.get("every_store", False), cleaned.get("stores")
        if every_store and stores:
            raise ValidationError({"stores": _("Leave this empty for every store.")})
        if (
            not every_store
            and not stores
            and "stores" in self.fields
            and "stores" not in self.errors
        ):
            raise ValidationError({"stores": _("Choose the stores whose events are sent.")})
        return cleaned
