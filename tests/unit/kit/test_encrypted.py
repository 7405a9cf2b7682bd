"""Credentials of webhooks leave the database encrypted alone."""

import io
from typing import Any

import pytest
from django.core import management
from django.core.management import CommandError
from django.core.serializers import deserialize

from neural.hooks.models import Subscription, WebhookSource
from neural.kit.encrypted import SecretUnreadable
from neural.models import AuditEntry
from tests.unit.hooks import hooks_world
from tests.unit.hooks.subscribing import subscribe

pytestmark = pytest.mark.django_db


def test_dumped_data_tells_no_secret_and_can_be_loaded(fake_broker):
    subscription = subscribe("https://erp.example/hook")
    held = Subscription.objects.get().secrets
    out = io.StringIO()
    management.call_command("dumpdata", "neural_hooks.subscription", stdout=out)
    assert held[0]["secret"] not in out.getvalue()
    Subscription.objects.filter(pk=subscription.pk).update(secrets=[])
    for loaded in deserialize("json", out.getvalue()):
        loaded.save()
    assert Subscription.objects.get().secrets == held


def test_after_a_change_of_the_key_credentials_are_encrypted_anew_by_a_command(
    fake_broker: Any, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    subscribe("https://erp.example/hook")
    hooks_world.source()
    held = Subscription.objects.get().secrets, WebhookSource.objects.get().credentials
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [settings.SECRET_KEY]
    hooks_world.source("made-with-the-new-key")

    management.call_command("reencrypt")
    management.call_command("reencrypt")

    settings.SECRET_KEY_FALLBACKS = []
    assert (Subscription.objects.get().secrets, _source("kitchen").credentials) == held
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == ["2", "0"]
    acts = AuditEntry.objects.filter(action="credentials.reencrypt").standing()
    assert list(acts.order_by("pk").values_list("count", flat=True)) == [2, 0]


def test_what_no_known_key_opens_is_named_and_the_rest_is_done(settings: Any) -> None:
    lost = hooks_world.source()
    settings.SECRET_KEY = "second"
    hooks_world.source("second")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "third", ["second"]

    with pytest.raises(CommandError, match=f"neural_hooks.WebhookSource {lost.pk}") as raised:
        management.call_command("reencrypt")

    assert raised.value.returncode == 1
    settings.SECRET_KEY_FALLBACKS = []
    assert _source("second").credentials == {"secret": hooks_world.SECRET}
    with pytest.raises(SecretUnreadable):
        _source("kitchen")


def _source(name: str) -> WebhookSource:
    return WebhookSource.objects.get(name=name)
