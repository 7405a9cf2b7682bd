"""The form of an alert channel. Address and secret are write-only.

The form never shows them, and an empty field keeps what is set.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import translation
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from neural.kit.encrypted import SecretUnreadable
from neural.kit.outbound.client import refusal_of
from neural.monitoring.admin.alert_messages import explained
from neural.monitoring.alerts.channels.delivering import (
    HTTP_KINDS,
    apprise_options_of_ours,
    apprise_service,
)
from neural.monitoring.conf import conf
from neural.monitoring.models import AlertChannel, ChannelKind

MOST_ADDRESSES = 50
_LONGEST = 2000
_SECRET_BYTES = range(24, 65)
"""What Standard Webhooks asks for."""


def _hidden(label: Any, help_text: Any) -> forms.CharField:
    """A field whose value is never sent back to a browser."""
    attributes = {"class": "vTextField", "autocomplete": "new-password"}
    return forms.CharField(
        label=capfirst(label),
        help_text=help_text,
        required=False,
        max_length=_LONGEST,
        widget=forms.PasswordInput(attrs=attributes),
    )


class ChannelForm(forms.ModelForm):
    """A channel: its kind decides which of the fields it needs."""

    language = forms.ChoiceField(label=capfirst(_("language")))
    url = _hidden(_("address of the robot or receiver"), _("The whole address, with its key."))
    secret = _hidden(
        _("secret"),
        _(
            "DingTalk and Feishu: the secret of the security setting “signature”, if it is on. "
            "Webhook: whsec_ and 24 to 64 random bytes in base64; give it to the receiver."
        ),
    )
    no_secret = forms.BooleanField(label=_("Delete the secret"), required=False)

    class Meta:
        model = AlertChannel
        fields = ("name", "kind", "enabled", "least_severity", "language", "addresses")
        widgets = {"addresses": AdminTextareaWidget({"rows": 4})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "language" in self.fields:
            field: Any = self.fields["language"]
            field.choices = languages()
        self._stored = stored_secrets(self.instance)
        self.also_set: list[str] = []
        """Columns without a field of their own that were set by what was entered."""
        for name in ("url", "secret"):
            if name in self.fields and (self._stored or {}).get(name):
                self.fields[name].help_text = _("Set. Leave it empty to keep it.")
            elif name in self.fields and self._stored is None:
                problem = _("It was encrypted with another SECRET_KEY: enter it again.")
                self.fields[name].help_text = problem

    def clean(self) -> dict[str, Any]:
        """Require what the kind needs, and refuse what it does not have."""
        cleaned = super().clean() or self.cleaned_data
        kind = cleaned.get("kind") or self.instance.kind
        if kind == ChannelKind.EMAIL:
            self._refuse("url", "secret", why=_("E-mail has no such field."))
            self._check_addresses(cleaned.get("addresses", ""))
        elif kind == ChannelKind.APPRISE:
            self._refuse("addresses", "secret", why=_("Apprise has all in its address."))
            url = self._given_url(cleaned)
            if url and (why := apprise_service(url)[1]):
                self.add_error("url", explained(why))
            elif ours := apprise_options_of_ours(url):
                problem = _("Leave out %(options)s: the same holds for every channel.")
                self.add_error("url", problem % {"options": ours})
        elif kind in HTTP_KINDS:
            self._refuse("addresses", why=_("Only e-mail has addresses."))
            self._check_url(kind, self._given_url(cleaned))
            self._check_secret(kind, cleaned.get("secret", "").strip())
        if not self.errors:
            self._take_over(kind, cleaned)
        return cleaned

    def _refuse(self, *names: str, why: Any) -> None:
        for name in names:
            if name in self.fields and self.cleaned_data.get(name):
                self.add_error(name, why)

    def _check_addresses(self, text: str) -> None:
        addresses = [each.strip() for each in text.splitlines() if each.strip()]
        if not addresses:
            self.add_error("addresses", _("Enter at least one e-mail address."))
        if len(addresses) > MOST_ADDRESSES:
            self.add_error("addresses", _("At most %(count)d.") % {"count": MOST_ADDRESSES})
        for address in addresses[:MOST_ADDRESSES]:
            try:
                validate_email(address)
            except ValidationError:
                problem = _("“%(address)s” is no e-mail address.")
                self.add_error("addresses", problem % {"address": address[:100]})

    def _given_url(self, cleaned: Mapping[str, Any]) -> str:
        """The address that was entered; empty if the one that is set stays."""
        url: str = cleaned.get("url", "").strip()
        if not url and not (self._stored or {}).get("url"):
            self.add_error("url", _("Enter the address."))
        return url

    def _check_url(self, kind: str, url: str) -> None:
        if not url:
            return
        if refusal := refusal_of(url):
            self.add_error("url", refusal)
            return
        hosts = [*HTTP_KINDS[kind].hosts, *_further_hosts()]
        if HTTP_KINDS[kind].hosts and urlsplit(url).hostname not in hosts:
            problem = _("The address of such a robot begins with https://%(hosts)s/")
            self.add_error("url", problem % {"hosts": ", ".join(hosts)})

    def _check_secret(self, kind: str, secret: str) -> None:
        if not HTTP_KINDS[kind].has_secret:
            self._refuse("secret", why=_("Such a robot has no secret besides its address."))
        if kind != ChannelKind.WEBHOOK:
            return
        stays = (self._stored or {}).get("secret") and not self.cleaned_data.get("no_secret")
        if not secret and not stays:
            self.add_error("secret", _("Enter a secret: receivers verify messages with it."))
        if secret and not _is_standard(secret):
            self.add_error("secret", _("Write whsec_ and 24 to 64 random bytes in base64."))

    def _take_over(self, kind: str, cleaned: Mapping[str, Any]) -> None:
        """Put what was entered into the instance. A channel whose way was changed is tried anew."""
        held = {} if kind == ChannelKind.EMAIL else dict(self._stored or {})
        if cleaned.get("no_secret"):
            held.pop("secret", None)
        given = {name: cleaned.get(name, "").strip() for name in ("url", "secret")}
        held |= {name: value for name, value in given.items() if value}
        if held != self._stored:
            self.instance.secrets = held
            self.also_set.append("secrets")
        if self.also_set or "addresses" in self.changed_data:
            self.instance.broken = ""
            self.also_set.append("broken")


def languages() -> list[tuple[str, str]]:
    """The project's languages: code and name."""
    return [(code, translation.gettext(str(name))) for code, name in settings.LANGUAGES]


def stored_secrets(channel: AlertChannel) -> dict[str, str] | None:
    """The address and the secret of a channel; None if they were encrypted with another key."""
    try:
        held: Any = channel.secrets
    except SecretUnreadable:
        return None
    return dict(held)


def _further_hosts() -> list[str]:
    return [each.strip().lower() for each in conf().alert_robot_hosts.split(",") if each.strip()]


def _is_standard(secret: str) -> bool:
    prefix, _, encoded = secret.partition("_")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    return prefix == "whsec" and len(raw) in _SECRET_BYTES
