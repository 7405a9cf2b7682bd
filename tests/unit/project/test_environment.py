"""The environment is read strictly: what is wrong stops the start with a sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from neural.kit.conf import owners
from zhilian import environment, mail


def read(base_dir: Path, **values: str) -> environment.Environment:
    return environment.read(environment=values, base_dir=base_dir)


def test_everything_has_a_default(tmp_path):
    result = read(tmp_path)

    assert result.var == tmp_path / "var"
    assert result.debug is False
    assert result.https is False
    assert result.allowed_hosts == ["localhost", "127.0.0.1"]
    assert result.log_level == "INFO"
    assert result.database_url is None
    assert result.database_connect_seconds == 5
    assert result.broker_url is None
    assert result.cache_url is None
    assert result.result_backend == "django-db"


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path):
    (tmp_path / ".env").write_text("ZHILIAN_DEBUG=true\nZHILIAN_LOG_LEVEL=ERROR\n")

    result = read(tmp_path, ZHILIAN_LOG_LEVEL="debug")

    assert result.debug is True
    assert result.log_level == "DEBUG"


def test_reading_the_file_leaves_the_process_environment_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("ZHILIAN_DEBUG", raising=False)
    (tmp_path / ".env").write_text("ZHILIAN_DEBUG=true\n")

    read(tmp_path)

    assert "ZHILIAN_DEBUG" not in os.environ


def test_an_empty_file_name_means_no_file(tmp_path):
    (tmp_path / ".env").write_text("ZHILIAN_DEBUG=true\n")

    assert read(tmp_path, ZHILIAN_ENV_FILE="").debug is False


SECRETS = ["ZHILIAN_SECRET_KEY", "DATABASE_URL", "CELERY_BROKER_URL", "ZHILIAN_EMAIL_URL"]


@pytest.mark.parametrize("name", SECRETS)
def test_a_value_may_be_in_a_file_of_its_own(tmp_path, name):
    value = {"DATABASE_URL": "postgres://a:b@c/d", "CELERY_BROKER_URL": "redis://:p@q/1"}
    value = value.get(name, "smtp://a:b@c")
    (tmp_path / "secret").write_text(f"{value}\n")

    result = read(tmp_path, **{f"{name}_FILE": str(tmp_path / "secret")})

    assert value in result.model_dump().values()


def test_a_setting_of_the_ledger_may_be_in_a_file_too_and_none_is_named_like_one(tmp_path):
    (tmp_path / "token").write_text("of twenty characters\n")

    result = read(tmp_path, NEURAL_METRICS_TOKEN_FILE=str(tmp_path / "token"))

    assert result.neural == {"metrics_token": "of twenty characters"}
    assert [name for name in owners() if name.endswith("_file")] == []


def test_a_value_in_a_file_and_in_the_environment_is_refused(tmp_path):
    (tmp_path / "secret").write_text("one")

    with pytest.raises(ImproperlyConfigured, match="are both set"):
        read(tmp_path, ZHILIAN_SECRET_KEY="two", ZHILIAN_SECRET_KEY_FILE=str(tmp_path / "secret"))


def test_a_secret_whose_file_cannot_be_read_stops_the_start_without_telling_another(tmp_path):
    with pytest.raises(ImproperlyConfigured, match="absent cannot be read"):
        read(tmp_path, ZHILIAN_SECRET_KEY_FILE=str(tmp_path / "absent"))


def test_a_file_for_what_is_no_setting_is_refused(tmp_path):
    with pytest.raises(ImproperlyConfigured, match="ZHILIAN_SECRET_FILE"):
        read(tmp_path, ZHILIAN_SECRET_FILE="x")


def test_a_file_that_was_named_must_exist(tmp_path):
    with pytest.raises(ImproperlyConfigured, match="no file"):
        read(tmp_path, ZHILIAN_ENV_FILE="absent")


def test_former_secret_keys_are_a_list_with_whatever_signs_a_key_has(tmp_path):
    (tmp_path / ".env").write_text("ZHILIAN_SECRET_KEY_FALLBACKS=a#$%^&*(b,-_=+)!@c\n")

    assert read(tmp_path).secret_key_fallbacks == ["a#$%^&*(b", "-_=+)!@c"]
    assert read(tmp_path / "nowhere").secret_key_fallbacks == []


def test_the_deployment_takes_them_from_its_environment(tmp_path):
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "from zhilian import settings; print(settings.SECRET_KEY_FALLBACKS)",
        ],
        env={
            **os.environ,
            "ZHILIAN_VAR": str(tmp_path),
            "ZHILIAN_SECRET_KEY_FALLBACKS": "one,two",
        },
        cwd=Path(__file__).parents[3],
        capture_output=True,
        check=True,
    )

    assert said.stdout.decode().strip() == "['one', 'two']"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ZHILIAN_DEBUG", "maybe", "true or false"),
        ("ZHILIAN_LOG_LEVEL", "loud", "one of"),
        ("ZHILIAN_DEBGU", "true", "Unknown setting ZHILIAN_DEBGU"),
        ("DATABASE_URL", "mysql://somewhere/db", "DATABASE_URL must begin with"),
        ("CELERY_BROKER_URL", "127.0.0.1:6379", "CELERY_BROKER_URL must begin with"),
        ("ZHILIAN_CACHE_URL", "memcached://127.0.0.1", "ZHILIAN_CACHE_URL must begin with"),
        ("ZHILIAN_EMAIL_URL", "mail.example.com", "ZHILIAN_EMAIL_URL must begin with"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(tmp_path, name, value, reason):
    with pytest.raises(ImproperlyConfigured, match=reason):
        read(tmp_path, **{name: value})


def test_the_directory_of_test_data_may_be_named(tmp_path):
    assert read(tmp_path, ZHILIAN_TEST_DATA="/data") == read(tmp_path)


def test_a_refused_url_is_not_repeated(tmp_path):
    with pytest.raises(ImproperlyConfigured) as refusal:
        read(tmp_path, DATABASE_URL="mysql://user:secret@somewhere/db")

    assert "secret" not in str(refusal.value)


def test_every_setting_is_in_the_example_file():
    example = Path(__file__).parents[3].joinpath(".env.example").read_text()

    missing = environment.KNOWN - {"ZHILIAN_ENV_FILE"}
    assert [name for name in sorted(missing) if f"#{name}=" not in example] == []


@pytest.mark.parametrize(
    ("url", "port", "starttls", "tls"),
    [
        ("smtp://lee%40example.com:p%3Aw@mail.example.com", 25, False, False),
        ("smtp+tls://lee%40example.com:p%3Aw@mail.example.com", 587, True, False),
        ("smtps://lee%40example.com:p%3Aw@mail.example.com:2465", 2465, False, True),
    ],
)
def test_a_mail_server_is_read_from_its_address(url, port, starttls, tls):
    found = mail.server(url)

    assert (found.host, found.port) == ("mail.example.com", port)
    assert (found.user, found.password) == ("lee@example.com", "p:w")
    assert (found.starttls, found.tls) == (starttls, tls)
    assert "p:w" not in repr(found)
