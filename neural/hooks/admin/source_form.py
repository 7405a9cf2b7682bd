"""The form of a webhook source: its platform's credentials are fields of their own.

Secrets are write-only. The form never shows one, and an empty field keeps what is set.
"""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils import translation
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from neural.encrypted import SecretUnreadable
from neural.hooks.models import WebhookSource
from neural.hooks.platforms.base import PLATFORMS, Credential

CREDENTIAL = "credential_"
DELETED = "deleted_"
ADDRESS = "api_url"
"""The credential that says where requests with the secrets are sent."""
_LONGEST = 4000


class SourceForm(forms.ModelForm):
    """The form of a new source, and what the forms of all platforms have in common."""

    class Meta:
        model = WebhookSource
        fields = ("name", "platform", "store", "active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "platform" in self.fields:
            label = self.fields["platform"].label
            self.fields["platform"] = forms.ChoiceField(label=label, choices=_platforms())

    def clean(self) -> dict[str, Any]:
        """Put what was entered into the credentials of the instance."""
        cleaned = super().clean() or self.cleaned_data
        platform = PLATFORMS.find(self.instance.platform)
        if self.instance.pk and platform is not None:
            self._set_credentials(platform.credentials, cleaned)
        return cleaned

    def _set_credentials(self, known: Any, cleaned: Mapping[str, Any]) -> None:
        stored = stored_credentials(self.instance)
        changed = dict(stored or {})
        for each in known:
            given = cleaned.get(CREDENTIAL + each.name, "")
            if cleaned.get(DELETED + each.name) or (not each.secret and not given):
                changed.pop(each.name, None)
            elif given:
                changed[each.name] = given
        self._guard_kept_secrets(known, stored or {}, changed, cleaned)
        if changed != stored:
            self.instance.credentials = changed

    def _guard_kept_secrets(
        self,
        known: Any,
        stored: Mapping[str, str],
        changed: Mapping[str, str],
        cleaned: Mapping[str, Any],
    ) -> None:
        """Refuse another address with secrets that nobody entered anew: whoever may change a source
        could have them sent to a server of their own, although no page shows them."""
        if changed.get(ADDRESS, "") == stored.get(ADDRESS, ""):
            return
        for each in known:
            is_kept = each.secret and changed.get(each.name) and stored.get(each.name)
            if is_kept and not cleaned.get(CREDENTIAL + each.name):
                said = _("Enter it again: the address to which it is sent was changed.")
                self.add_error(CREDENTIAL + each.name, said)


def _platforms() -> list[tuple[str, str]]:
    return [("", "---------"), *((each.name, platform_label(each.name)) for each in PLATFORMS)]


def platform_label(name: str) -> str:
    """A platform's name for people; of one that is not registered, its code."""
    platform = PLATFORMS.find(name)
    return name if platform is None else translation.gettext(str(platform.label))


def stored_credentials(source: WebhookSource) -> Mapping[str, str] | None:
    """The credentials of a source; None if they were encrypted with another key."""
    try:
        credentials: Mapping[str, str] = source.credentials
    except SecretUnreadable:
        return None
    return credentials


def form_for(source: WebhookSource | None) -> type[forms.ModelForm]:
    """The form of one source, with the fields of its platform."""
    fields = credential_fields(source) if source else {}
    return type("SourceForm", (SourceForm,), fields)


def credential_fields(source: WebhookSource) -> dict[str, forms.Field]:
    """The fields of a source's credentials by their names in the form."""
    platform = PLATFORMS.find(source.platform)
    stored = stored_credentials(source)
    fields: dict[str, forms.Field] = {}
    for each in platform.credentials if platform else ():
        value = (stored or {}).get(each.name, "")
        fields[CREDENTIAL + each.name] = _field(each, value, unreadable=stored is None)
        if each.secret and not each.required and value:
            label = _("Delete: %(credential)s") % {
                "credential": translation.gettext(str(each.label))
            }
            fields[DELETED + each.name] = forms.BooleanField(label=label, required=False)
    return fields


def _field(credential: Credential, value: str, *, unreadable: bool) -> forms.Field:
    label = capfirst(translation.gettext(str(credential.label)))
    if not credential.secret:
        return forms.CharField(
            label=label,
            initial=value,
            required=credential.required,
            max_length=_LONGEST,
            widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        )
    said = _("Set. Leave it empty to keep it.") if value else ""
    if unreadable:
        said = _("It was encrypted with another SECRET_KEY: enter it again.")
    return forms.CharField(
        label=label,
        required=credential.required and not value,
        max_length=_LONGEST,
        help_text=said,
        widget=forms.PasswordInput(attrs={"class": "vTextField", "autocomplete": "new-password"}),
    )
