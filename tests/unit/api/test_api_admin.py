"""API keys in the admin: the secret is shown once, and a user issues keys for their own stores."""

import datetime as dt
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone

from neural.api import keys
from neural.api.models import ApiKey
from tests.unit.admin import admin_world as world
from tests.unit.api import api_world

pytestmark = pytest.mark.django_db

ADD = reverse("admin:neural_api_apikey_add")
LIST = reverse("admin:neural_api_apikey_changelist")
KEY = re.compile(r"zn_[0-9a-f]{10}_[A-Za-z0-9_-]{43}")
ALLOWED = ("view_apikey", "add_apikey", "rotate_apikey", "revoke_apikey")
GIVEN = {"name": "till 3", "scopes": ["events:write", "search"]}


def one_store(*permissions: str):
    """A user who operates S1."""
    return world.client_of(*(permissions or ALLOWED), stores=[world.store("S1")])


def address(key: ApiKey, page: str) -> str:
    return reverse(f"admin:neural_api_apikey_{page}", args=[key.pk])


def test_a_new_key_is_shown_once_and_nowhere_else() -> None:
    client = one_store()

    shown = client.post(ADD, {**GIVEN, "stores": ["S1"]})

    assert shown.status_code == 200
    (text,) = set(KEY.findall(shown.content.decode()))
    assert "no-store" in shown["Cache-Control"]
    key = keys.find(text)
    assert key.store_codes() == {"S1"}
    assert key.scopes == ["events:write", "search"]
    assert key.created_by.get_username() == "lee"
    secret = text[-43:]
    for each in (LIST, address(key, "change"), address(key, "history"), reverse("admin:index")):
        assert secret not in client.get(each).content.decode()
    assert secret not in str(client.cookies)
    assert secret not in str([each.get_decoded() for each in Session.objects.all()])
    assert secret not in str(list(LogEntry.objects.values_list()))
    (entry,) = LogEntry.objects.all()
    assert entry.object_id == str(key.pk)


@pytest.mark.parametrize(
    "given",
    [
        {"stores": ["S2"]},
        {"stores": ["S1", "S2"]},
        {"every_store": "on"},
        {"every_store": "on", "stores": []},
        {"stores": []},
        {"stores": ["S1"], "scopes": []},
        {"stores": ["S1"], "scopes": ["events:delete"]},
        {"stores": ["S1"], "rate_per_second": "0"},
        {"stores": ["S1"], "rate_per_second": "nan"},
        {"stores": ["S1"], "name": ""},
        {"stores": ["S1"], "name": "a\0b"},
    ],
    ids=str,
)
def test_a_user_of_a_store_issues_no_key_beyond_it(given) -> None:
    world.store("S2")

    answer = one_store().post(ADD, {**GIVEN, **given})

    assert answer.status_code in (200, 400)
    assert not KEY.search(answer.content.decode())
    assert not ApiKey.objects.exists()


def test_a_user_of_a_store_who_asks_for_every_store_too_gets_their_own_alone() -> None:
    one_store().post(ADD, {**GIVEN, "stores": ["S1"], "every_store": "on"})

    assert ApiKey.objects.get().store_codes() == {"S1"}


def test_a_user_of_the_chain_issues_a_key_for_every_store() -> None:
    client = world.client_of(*ALLOWED)

    client.post(ADD, {**GIVEN, "every_store": "on"})

    assert ApiKey.objects.get().store_codes() is None
    neither = client.post(ADD, {**GIVEN, "every_store": "on", "stores": [world.store("S1").pk]})
    assert "Leave this empty" in neither.content.decode()
    assert ApiKey.objects.count() == 1


def test_who_may_only_look_issues_nothing() -> None:
    client = world.client_of("view_apikey")

    assert client.post(ADD, {**GIVEN, "every_store": "on"}).status_code == 403


def test_the_list_says_what_a_key_is_good_for() -> None:
    past = timezone.now() - dt.timedelta(days=1)
    api_world.key("S1", "S2", "S3", "S4", "S5")
    api_world.key(expires_at=past)
    keys.revoke(api_world.key()[0])

    page = world.client_of("view_apikey").get(LIST).content.decode()

    for said in ("S1, S2, S3 and 2 more", "every store", "valid", "expired", "revoked", "search"):
        assert said in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=valid", {"a", "b"}),
        ("state=expired", {"old"}),
        ("state=revoked", {"gone"}),
        ("scope=search", {"a", "old", "gone"}),
        ("q=S1", {"a"}),
        ("q=gone", {"gone"}),
        ("state=nonsense", {"a", "b", "old", "gone"}),
    ],
)
def test_the_list_is_filtered_and_searched(query, found) -> None:
    past = timezone.now() - dt.timedelta(days=1)
    for name, codes, scopes, ends in [
        ("a", ["S1"], ["search"], None),
        ("b", ["S2"], ["events:read"], None),
        ("old", ["S2"], ["search"], past),
        ("gone", ["S2"], ["search"], past),
    ]:
        stores = [world.store(code) for code in codes]
        made, _ = keys.issue(name=name, scopes=scopes, stores=stores, expires_at=ends)
        if name == "gone":
            keys.revoke(made)

    page = world.client_of("view_apikey").get(f"{LIST}?{query}")

    assert {each.name for each in page.context["cl"].result_list} == found


def test_a_key_of_another_store_or_of_the_chain_does_not_exist_for_a_stores_user() -> None:
    client = one_store()
    theirs = [api_world.key(*codes)[0] for codes in (("S2",), ("S1", "S2"), ())]

    assert not client.get(LIST).context["cl"].result_list
    for key in theirs:
        for page in ("change", "history", "rotate"):
            answer = client.get(address(key, page))
            assert answer.status_code in (302, 404)
        assert client.post(address(key, "rotate"), {"overlap": "0"}).status_code == 404
        revoke = reverse("admin:neural_api_apikey_act", args=[key.pk, "revoke"])
        assert client.post(revoke).status_code == 404
        client.post(LIST, world.selection("revoke", key))
    assert ApiKey.objects.valid().count() == 3 == ApiKey.objects.count()


def test_revoking_takes_effect_at_once_and_is_recorded() -> None:
    key, text = api_world.key("S1")
    client = one_store("view_apikey", "revoke_apikey")

    client.post(reverse("admin:neural_api_apikey_act", args=[key.pk, "revoke"]))

    assert keys.find(text) is None
    assert "revoked (revoke)" in LogEntry.objects.get().change_message


def test_rotating_shows_the_new_key_once_and_keeps_the_old_for_the_overlap() -> None:
    key, old = api_world.key("S1")
    client = one_store("view_apikey", "rotate_apikey")
    asked = client.get(address(key, "rotate"))
    assert 'value="24" selected' in asked.content.decode()

    shown = client.post(address(key, "rotate"), {"overlap": "24"})

    (new,) = set(KEY.findall(shown.content.decode()))
    assert "no-store" in shown["Cache-Control"]
    assert keys.find(old) == key
    assert keys.find(new).replaces == key
    key.refresh_from_db()
    remaining = key.expires_at - timezone.now()
    assert dt.timedelta(hours=23) < remaining <= dt.timedelta(hours=24)
    said = str(list(LogEntry.objects.values_list("change_message", "object_id")))
    assert "(rotate)" in said
    assert LogEntry.objects.count() == 2
    assert new[-43:] not in said
    again = client.post(address(key, "rotate"), {"overlap": "24"}).content.decode()
    assert "replaced already" in again
    assert not KEY.search(again)


def test_rotating_needs_its_permission_and_a_known_overlap() -> None:
    key, _ = api_world.key("S1")

    assert one_store("view_apikey").get(address(key, "rotate")).status_code == 403
    get_user_model().objects.all().delete()
    client = one_store("rotate_apikey", "view_apikey")
    for overlap in ("-1", "99999999", "x", ""):
        client.post(address(key, "rotate"), {"overlap": overlap})
    assert ApiKey.objects.count() == 1


def test_a_button_is_offered_to_whom_it_serves() -> None:
    key, _ = api_world.key("S1")
    page = one_store().get(address(key, "change")).content.decode()
    assert "/rotate/" in page
    assert "/act/revoke/" in page

    keys.revoke(key)
    page = world.superuser().get(address(key, "change")).content.decode()
    assert "/rotate/" not in page
    assert "/act/revoke/" not in page


def test_nobody_changes_or_deletes_a_key() -> None:
    key, _ = api_world.key("S1")
    before = ApiKey.objects.values().get()
    client = world.superuser()

    client.post(address(key, "change"), {**GIVEN, "every_store": "on"})
    client.post(address(key, "delete"), {"post": "yes"})
    client.post(LIST, world.selection("delete_selected", key, post="yes"))

    assert ApiKey.objects.values().get() == before
