"""Credentials of webhooks leave the database encrypted alone."""

import io

import pytest
from django.core import management
from django.core.serializers import deserialize

from neural.hooks.models import Subscription
from tests.unit.subscribing import subscribe

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
