"""`manage.py api_key`: a script takes a key from standard output; mistakes exit with 2."""

import datetime as dt
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from neural.api import keys
from neural.api.models import ApiKey
from tests.unit.api import api_world

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[str, str]:
    """What the command prints on standard output and on standard error."""
    out, err = StringIO(), StringIO()
    call_command("api_key", *arguments, stdout=out, stderr=err, no_color=True)
    return out.getvalue(), err.getvalue()


def issue(*more: str) -> tuple[str, str]:
    return run("issue", "--name", "till 3", "--scope", "events:write", *more)


def refused(*arguments: str) -> CommandError:
    with pytest.raises(CommandError) as error:
        run(*arguments)
    return error.value


def test_the_key_is_alone_on_standard_output() -> None:
    for code in ("S01", "S02"):
        api_world.store(code)

    out, err = issue("--scope", "search", "--store", "S01", "--store", "S02")

    key = keys.find(out.removesuffix("\n"))
    assert key.store_codes() == {"S01", "S02"}
    assert key.scopes == ["events:write", "search"]
    assert key.name == "till 3"
    assert key.prefix in err
    assert out.strip() not in err


def test_a_key_for_every_store_that_expires() -> None:
    out, _ = issue("--every-store", "--expires", "90d", "--rate", "5")

    key = keys.find(out.strip())
    assert key.store_codes() is None
    assert key.rate_per_second == 5
    length = key.expires_at - timezone.now()
    assert dt.timedelta(days=89) < length <= dt.timedelta(days=90)


def test_a_key_expires_by_the_databases_clock_where_the_hosts_is_wrong(monkeypatch) -> None:
    real = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: real + dt.timedelta(days=2))

    out, _ = issue("--every-store", "--expires", "1d")

    key = keys.find(out.strip())
    assert dt.timedelta(hours=23) < key.expires_at - real < dt.timedelta(hours=25)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--store", "S99", "--store", "S98"], "there is no store S99, S98"),
        (["--every-store", "--store", "S01"], "--every-store"),
        ([], "--every-store"),
        (["--every-store", "--scope", "events:delete"], "events:delete is none of events:write"),
        (["--every-store", "--expires", "2020-01-01"], "is past"),
        (["--every-store", "--expires", "soon"], "no time"),
        (["--every-store", "--expires", "9" * 12 + "d"], "too long"),
        (["--every-store", "--rate", "nan"], "A rate is between"),
        (["--every-store", "--name", "x" * 101], "100"),
    ],
)
def test_wrong_usage_is_named_and_exits_with_2(arguments, said) -> None:
    api_world.store("S01")

    error = refused("issue", "--name", "till 3", "--scope", "search", *arguments)

    assert said in str(error)
    assert getattr(error, "returncode", 2) == 2 or "Error:" in str(error)
    assert not ApiKey.objects.exists()


def test_the_list_shows_every_key_without_its_secret() -> None:
    _, valid = api_world.key("S01", "S02")
    revoked, _ = api_world.key()
    keys.revoke(revoked)

    out, _ = run("list")

    first, second = out.splitlines()
    assert "valid" in first
    assert "S01, S02" in first
    assert "revoked" in second
    assert "every store" in second
    assert valid[-43:] not in out


def test_revoking_by_prefix() -> None:
    key, text = api_world.key()

    _, err = run("revoke", key.prefix)
    assert "is revoked" in err
    assert keys.find(text) is None
    _, err = run("revoke", f"zn_{key.prefix}…")
    assert "was revoked before" in err


def test_rotating_prints_the_new_key_alone() -> None:
    key, old = api_world.key("S01")

    out, err = run("rotate", key.prefix, "--overlap", "30m")

    newer = keys.find(out.removesuffix("\n"))
    assert newer.replaces == key
    assert keys.find(old) == key
    assert key.prefix in err
    error = refused("rotate", key.prefix)
    assert newer.prefix in str(error)
    assert error.returncode == 1


def test_a_prefix_that_no_key_has_is_not_repeated() -> None:
    _, text = api_world.key()

    for command in ("revoke", "rotate"):
        error = refused(command, text)
        assert error.returncode == 2
        assert text not in str(error)


@pytest.mark.parametrize("overlap", ["-1h", "tomorrow", "400d", "9" * 400 + "d"])
def test_an_overlap_is_a_span(overlap) -> None:
    key, _ = api_world.key()

    assert "overlap" in str(refused("rotate", key.prefix, f"--overlap={overlap}"))
    assert ApiKey.objects.count() == 1
