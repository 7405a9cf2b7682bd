"""Keys of the API: shown once, stored hashed, limited in time and to stores, revoked at once."""

import datetime as dt
import hmac
import re

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from neural.api import keys
from neural.api.models import ApiKey, Scope
from tests.unit.admin import admin_world
from tests.unit.api import api_world

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)


def ago(length: dt.timedelta) -> dt.datetime:
    return timezone.now() - length


def test_a_key_has_a_form_that_can_be_scanned_for() -> None:
    key, text = api_world.key()

    assert re.fullmatch(r"zn_[0-9a-f]{10}_[A-Za-z0-9_-]{43}", text)
    assert text.startswith(f"zn_{key.prefix}_")


def test_the_secret_is_not_stored() -> None:
    key, text = api_world.key("S1")
    secret = text[len("zn_") + len(key.prefix) + 1 :]

    row = ApiKey.objects.filter(pk=key.pk).values().get()

    assert not any(secret in str(value) for value in row.values())


def test_a_key_is_found_by_its_text_alone() -> None:
    key, text = api_world.key()
    api_world.key()

    assert keys.find(text) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "zn_",
        "zn_0123456789_",
        "Bearer",
        "zn_0123456789_" + "x" * 42,
        "zn_0123456789_" + "x" * 44,
        "zn_012345678é_" + "x" * 43,
        "zn_0123456789_" + "é" * 43,
        "zn_0123456789_" + "\0" * 43,
        "zn_0123456789_" + "\ud800" * 43,
        "zn_0123456789_" + "x" * 43 + "\n",
        "zn_" + "x" * 1_000_000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_no_key_is_refused_without_a_query(text, django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert keys.find(text) is None


def test_a_wrong_secret_and_a_wrong_prefix_are_compared_alike(monkeypatch) -> None:
    key, text = api_world.key()
    compared = []
    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda *two: compared.append(two) or compare(*two))

    assert keys.find(f"zn_{key.prefix}_{'x' * 43}") is None
    assert keys.find("zn_0123456789_" + text[-43:]) is None

    assert [len(one) for two in compared for one in two] == [64] * 4


def test_a_key_is_checked_with_one_query() -> None:
    _, text = api_world.key("S1")

    with CaptureQueriesContext(connection) as queries:
        keys.find(text)

    assert len(queries) == 1


def test_a_revoked_key_is_refused_at_once() -> None:
    key, text = api_world.key()

    assert keys.revoke(key)

    assert keys.find(text) is None
    assert not keys.revoke(key)


def test_an_expired_key_is_refused() -> None:
    _, expired = api_world.key(expires_at=ago(dt.timedelta(seconds=1)))
    _, not_yet = api_world.key(expires_at=timezone.now() + HOUR)

    assert keys.find(expired) is None
    assert keys.find(not_yet) is not None


@pytest.mark.parametrize("scopes", [[], ["events:delete"], ["search", "search"], [""]])
def test_a_key_has_known_scopes(scopes) -> None:
    with pytest.raises(ValidationError):
        keys.issue(name="x", scopes=scopes, stores=None)


@pytest.mark.parametrize("rate", [0, -1, 10_000_000, float("nan"), float("inf")])
def test_a_key_has_a_rate_that_can_be_kept(rate) -> None:
    with pytest.raises(ValidationError):
        api_world.key(rate_per_second=rate)


# Rotation


def test_both_keys_are_valid_until_the_overlap_ends() -> None:
    key, old = api_world.key("S1", scopes=["search"], rate_per_second=3)

    newer, new = keys.rotate(key, overlap=HOUR)

    assert keys.find(old) == key
    assert keys.find(new) == newer
    ApiKey.objects.filter(pk=key.pk).update(expires_at=ago(dt.timedelta(seconds=1)))
    assert keys.find(old) is None
    assert keys.find(new) == newer


def test_the_overlap_is_counted_from_now() -> None:
    key, _ = api_world.key()
    before = timezone.now()

    keys.rotate(key, overlap=HOUR)

    key.refresh_from_db()
    assert before - HOUR < key.expires_at - HOUR < timezone.now() + dt.timedelta(minutes=1)


def test_the_new_key_permits_the_same() -> None:
    ends_at = timezone.now() + HOUR
    key, _ = api_world.key("S1", "S2", scopes=["search"], rate_per_second=3, expires_at=ends_at)

    newer, _ = keys.rotate(key, overlap=HOUR * 5)

    assert newer.scopes == ["search"]
    assert newer.store_codes() == {"S1", "S2"}
    assert newer.rate_per_second == 3
    assert newer.replaces == key
    assert newer.expires_at == ends_at  # rotation prolongs nothing
    key.refresh_from_db()
    assert key.expires_at == ends_at


def test_without_an_overlap_the_old_key_ends_at_once() -> None:
    key, old = api_world.key()

    keys.rotate(key, overlap=dt.timedelta(0))

    assert keys.find(old) is None


@pytest.mark.parametrize("overlap", [dt.timedelta(seconds=-1), dt.timedelta(days=366)])
def test_an_overlap_has_bounds(overlap) -> None:
    key, _ = api_world.key()

    with pytest.raises(ValueError, match="365 days"):
        keys.rotate(key, overlap=overlap)


def test_a_key_that_ended_or_is_replaced_is_not_rotated() -> None:
    revoked, _ = api_world.key()
    keys.revoke(revoked)
    expired, _ = api_world.key(expires_at=ago(HOUR))
    replaced, _ = api_world.key()
    newer, _ = keys.rotate(replaced, overlap=HOUR)

    for key, said in [(revoked, "revoked"), (expired, "expired"), (replaced, newer.prefix)]:
        with pytest.raises(keys.KeyNotRotated, match=said):
            keys.rotate(key, overlap=HOUR)
    assert ApiKey.objects.count() == 4


# Who sees which keys


def test_a_user_sees_the_keys_that_open_their_own_stores_alone() -> None:
    mine, _ = api_world.key("S1")
    both, _ = api_world.key("S1", "S2")
    api_world.key("S1", "S3")
    api_world.key("S3")
    api_world.key()
    homeless, _ = api_world.key("S1")
    homeless.stores.clear()
    stores = [api_world.store("S1"), api_world.store("S2")]
    admin_world.client_of(stores=stores, name="lee")
    lee = stores[0].operators.get()

    assert set(ApiKey.objects.for_user(lee)) == {mine, both}


def test_a_user_of_the_chain_sees_every_key() -> None:
    api_world.key("S1")
    api_world.key()
    admin_world.client_of(name="boss")
    from django.contrib.auth import get_user_model

    boss = get_user_model().objects.get(username="boss")
    assert ApiKey.objects.for_user(boss).count() == 2


def test_a_key_for_every_store_opens_stores_that_are_added_later() -> None:
    key, _ = api_world.key(scopes=[Scope.SEARCH])

    assert key.store_codes() is None
