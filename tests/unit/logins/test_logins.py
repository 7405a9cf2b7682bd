"""Logins that fail wait longer and longer, by account and by address; the wait ends."""

import datetime as dt
import re
import threading
from typing import Any

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.db.models import F
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse

from neural.logins import counting
from neural.logins.checks import check_place
from neural.logins.counting import address_of, count_failure, keys_of, wait_after
from neural.logins.middleware import sentence
from neural.logins.models import LoginFailures
from tests.unit.admin import admin_world as world
from tests.unit.side_by_side import in_threads, on_postgresql

pytestmark = pytest.mark.django_db

RIGHT = "correct horse"


@pytest.fixture(autouse=True)
def lee(settings: Any) -> Any:
    settings.NEURAL = {
        **settings.NEURAL,
        "login_failures": 3,
        "login_failures_by_address": 5,
        "login_wait_seconds": 300,
        "login_wait_cap_seconds": 1000,
    }
    return get_user_model().objects.create_superuser("lee", password=RIGHT)


def log_in(
    name: str = "lee", password: str = "wrong", *, at: str = "192.0.2.1", **headers: str
) -> Any:
    form = {"username": name, "password": password}
    return Client(REMOTE_ADDR=at).post(reverse("admin:login"), form, headers=headers)


def failed(times: int, name: str = "lee", **where: str) -> list[int]:
    return [log_in(name, **where).status_code for _ in range(times)]


def seconds_go_by(seconds: float) -> None:
    """The database's clock cannot be moved: what is kept is moved instead."""
    ago = dt.timedelta(seconds=seconds)
    LoginFailures.objects.update(failed_at=F("failed_at") - ago, waits_until=F("waits_until") - ago)


def wait_of(name: str) -> float:
    row = LoginFailures.objects.get(name=name)
    return (row.waits_until - row.failed_at).total_seconds()


def test_a_few_failures_cost_nothing_and_the_right_password_makes_them_forgotten() -> None:
    assert failed(2) == [200, 200]

    assert log_in(password=RIGHT).status_code == 302
    assert failed(2) == [200, 200]
    assert log_in(password=RIGHT).status_code == 302


def test_after_too_many_failures_even_the_right_password_waits_and_is_answered_429() -> None:
    failed(3)

    answer = log_in(password=RIGHT)

    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 300
    page = answer.content.decode()
    assert re.search(r"Too many failed logins. Try again in \d min.", page)
    assert "Please enter the correct" not in page


def test_the_wait_ends() -> None:
    failed(3)
    seconds_go_by(301)

    assert log_in(password=RIGHT).status_code == 302


def test_the_wait_grows_up_to_its_bound_and_attempts_that_are_turned_away_do_not_lengthen_it() -> (
    None
):
    waits = []
    for _ in range(4):
        failed(3)  # the first time all are looked at, later one; the others are turned away
        waits.append(wait_of("lee"))
        seconds_go_by(1001)

    assert waits == [300, 600, 1000, 1000]


def test_after_an_hour_of_peace_counting_starts_anew() -> None:
    failed(3)
    seconds_go_by(4000)

    assert failed(2) == [200, 200]
    assert wait_of("lee") == 0


def test_what_is_forgotten_is_deleted_with_the_next_failure() -> None:
    failed(1, "ann")
    seconds_go_by(4000)
    failed(1, "bob", at="192.0.2.2")

    names = set(LoginFailures.objects.values_list("name", flat=True))
    assert names == {"bob", "192.0.2.2"}


def test_one_account_waits_for_every_address_and_others_do_not() -> None:
    failed(3)

    assert log_in(at="198.51.100.7").status_code == 429
    assert log_in("ann", at="198.51.100.7").status_code == 200


def test_an_account_that_does_not_exist_waits_like_any_other() -> None:
    assert failed(4, "nobody") == [200, 200, 200, 429]


def test_one_address_waits_for_every_account_even_after_a_login_of_its_own() -> None:
    for number in range(4):
        failed(1, f"guess{number}")
    log_in(password=RIGHT)
    failed(1, "guess5")

    assert log_in(password=RIGHT).status_code == 429
    assert log_in(password=RIGHT, at="198.51.100.7").status_code == 302


def test_the_sentence_is_in_the_readers_language() -> None:
    failed(3)

    page = log_in(**{"accept-language": "zh-hans"}).content.decode()

    assert "登录失败次数过多" in page


def test_a_program_that_asks_without_a_page_waits_as_well() -> None:
    for _ in range(3):
        assert authenticate(username="lee", password="wrong") is None

    assert authenticate(username="lee", password=RIGHT) is None


@pytest.mark.parametrize("name", ["", "LEE", "lee\0", "x" * 5000, "李" * 100, "' OR 1=1 --"])
def test_any_name_may_be_typed(name: str) -> None:
    assert set(failed(5, name)) <= {200, 429}


# Known browsers and addresses


def browser(*, at: str = "192.0.2.1") -> Client:
    """A browser from which lee has logged in, and out again."""
    client = Client(REMOTE_ADDR=at)
    assert tried(client, RIGHT) == 302
    client.post(reverse("admin:logout"))
    return client


def tried(client: Client, password: str, name: str = "lee", **extra: Any) -> int:
    form = {"username": name, "password": password}
    return client.post(reverse("admin:login"), form, **extra).status_code


def test_whoever_knows_a_name_does_not_lock_out_a_known_browser() -> None:
    mine = browser()
    failed(4, at="198.51.100.7")

    assert log_in(password=RIGHT, at="203.0.113.9").status_code == 429
    assert tried(mine, RIGHT, REMOTE_ADDR="203.0.113.9") == 302


def test_nor_a_known_address_though_its_browser_keeps_no_cookie() -> None:
    browser(at="192.0.2.1")
    failed(4, at="198.51.100.7")

    assert log_in(password=RIGHT, at="203.0.113.9").status_code == 429
    assert log_in(password=RIGHT, at="192.0.2.1").status_code == 302


def test_a_known_browser_has_a_count_of_its_own_and_waits_for_that() -> None:
    mine = browser()
    failures = [tried(mine, "wrong", REMOTE_ADDR="203.0.113.9") for _ in range(4)]

    assert failures == [200, 200, 200, 429]
    assert tried(mine, RIGHT, REMOTE_ADDR="203.0.113.9") == 429
    assert log_in(password=RIGHT, at="198.51.100.7").status_code == 302


@pytest.mark.parametrize("cookie", ["", "x" * 22, "x" * 5000, "lee", "\0" * 22])
def test_a_cookie_that_was_made_up_opens_nothing(cookie: str) -> None:
    browser()
    failed(4, at="198.51.100.7")
    client = Client(REMOTE_ADDR="203.0.113.9")
    client.cookies["neural_browser"] = cookie

    assert tried(client, RIGHT) == 429


def test_a_cookie_that_somebody_planted_is_replaced_and_a_known_one_kept(lee: Any) -> None:
    get_user_model().objects.create_superuser("ann", password=RIGHT)
    client = Client()
    client.cookies["neural_browser"] = "x" * 22
    tried(client, RIGHT)
    mine = client.cookies["neural_browser"].value
    tried(client, RIGHT, "ann")

    assert mine != "x" * 22
    assert client.cookies["neural_browser"].value == mine


def test_a_browser_is_known_to_those_alone_who_logged_in_with_it(lee: Any) -> None:
    get_user_model().objects.create_superuser("ann", password=RIGHT)
    mine = browser()
    failed(4, "ann", at="198.51.100.7")

    assert tried(mine, RIGHT, "ann", REMOTE_ADDR="203.0.113.9") == 429


def test_a_browser_that_was_not_used_for_long_is_unknown_again() -> None:
    mine = browser()
    seconds_go_by(91 * 24 * 3600)
    failed(4, at="198.51.100.7")

    assert tried(mine, RIGHT, REMOTE_ADDR="203.0.113.9") == 429
    assert not LoginFailures.objects.filter(counted_by="known").exists()


def test_the_cookie_is_read_by_no_script_and_the_list_shows_failures_alone() -> None:
    mine = browser()
    cookie = mine.cookies["neural_browser"]
    page = world.superuser().get(reverse("admin:neural_logins_loginfailures_changelist"))

    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert cookie.value not in page.content.decode()
    assert cookie.value not in repr(LoginFailures.objects.values_list("name"))


# Where it comes from


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.9", "192.0.2.1"),  # not read: anybody may write it
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "1.1.1.1, 203.0.113.9", "203.0.113.9"),  # the client's own is in front
        (2, "1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        (2, "203.0.113.9", ""),  # it did not come through both
        (1, "", ""),
        (1, "nonsense", ""),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
    ],
)
def test_what_a_proxy_says_is_believed_as_far_as_the_deployment_says(
    settings: Any, proxies: int, forwarded: str, address: str
) -> None:
    settings.NEURAL = {**settings.NEURAL, "login_proxies": proxies}
    headers = {"x-forwarded-for": forwarded} if forwarded else {}

    request = RequestFactory(REMOTE_ADDR="192.0.2.1").get("/", headers=headers)

    assert address_of(request) == address


def test_without_an_address_accounts_are_counted_alone() -> None:
    failed(1, at="")

    assert [row.name for row in LoginFailures.objects.all()] == ["lee"]


# What is written down


def test_failed_and_turned_away_logins_are_logged_without_the_password(caplog: Any) -> None:
    failed(4, "x" * 200)

    lines = [record.getMessage() for record in caplog.records if "event=login" in record.message]
    name = "x" * 64
    assert lines[0] == f"event=login_failed user='{name}' address=192.0.2.1"
    assert re.fullmatch(
        rf"event=login_throttled user='{name}' address=192.0.2.1 by=account seconds=\d+", lines[3]
    )
    assert len(lines) == 4
    assert "wrong" not in "".join(lines)


def test_a_count_is_seen_in_the_admin_and_deleting_it_lets_in_at_once() -> None:
    failed(3)
    row = LoginFailures.objects.get(name="lee")
    client = world.superuser()

    page = client.get(reverse("admin:neural_logins_loginfailures_changelist")).content.decode()
    assert "lee" in page
    client.post(reverse("admin:neural_logins_loginfailures_delete", args=[row.pk]), {"post": "yes"})

    assert log_in(password=RIGHT).status_code == 302


@pytest.mark.parametrize(
    ("seconds", "said"), [(1, "in 1 s."), (90, "in 90 s."), (91, "in 2 min."), (900, "in 15 min.")]
)
def test_the_sentence_says_how_long(seconds: int, said: str) -> None:
    assert sentence(seconds).endswith(said)


# The policy, and its place


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0), (4, 0), (5, 30), (6, 60), (9, 480), (10, 900), (10**6, 900)]
)
def test_the_wait_doubles_from_the_first_to_the_longest(failures: int, seconds: float) -> None:
    wait = wait_after(failures, free=5, first=30, longest=900)

    assert wait == dt.timedelta(seconds=seconds)


def test_an_app_that_throttles_nothing_is_reported() -> None:
    assert check_place() == []
    with override_settings(AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"]):
        (warning,) = check_place()
    assert warning.id == "neural_logins.W001"


def test_people_who_are_logged_in_stay_so_and_keep_their_permissions() -> None:
    client = world.client_of("retry_taskrun", name="ann")
    failed(3, "lee")

    assert client.get(world.list_of("taskrun")).status_code == 200


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_two_who_failed_yesterday_and_fail_again_at_once_are_both_counted(monkeypatch: Any) -> None:
    """Neither waits for the other's row in order to delete it as an old one."""
    both = [keys_of(account=f"cook{n}", address=f"192.0.2.{n}") for n in range(2)]
    for keys in both:
        count_failure(keys)
    seconds_go_by(24 * 3600)
    have_counted, forget = threading.Barrier(2), counting._forget_the_old

    def forget_together() -> None:
        have_counted.wait(60)
        forget()

    monkeypatch.setattr(counting, "_forget_the_old", forget_together)

    in_threads(*(lambda keys=keys: count_failure(keys) for keys in both))  # type: ignore[misc]

    assert list(LoginFailures.objects.values_list("failures", flat=True)) == [1, 1, 1, 1]
