"""The project's database, given its address."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from zhilian.database import configuration


@pytest.mark.parametrize("url", [None, "sqlite:////somewhere/else.sqlite3", "sqlite:///a.sqlite3"])
def test_every_sqlite_database_gets_the_same_options(tmp_path, url):
    config = configuration(url=url, var=tmp_path, base_dir=tmp_path)

    assert config["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert config["OPTIONS"]["timeout"] == 30
    assert "journal_mode=WAL" in config["OPTIONS"]["init_command"]
    assert "synchronous=FULL" in config["OPTIONS"]["init_command"]
    assert Path(config["TEST"]["NAME"]).parent == tmp_path


def test_a_relative_sqlite_file_lies_in_the_project(tmp_path):
    config = configuration(url="sqlite:///a.sqlite3", var=tmp_path, base_dir=tmp_path)

    assert config["NAME"] == tmp_path / "a.sqlite3"


def test_an_in_memory_database_is_refused(tmp_path):
    with pytest.raises(ImproperlyConfigured, match="in-memory"):
        configuration(url="sqlite://:memory:", var=tmp_path, base_dir=tmp_path)


def test_postgresql_connections_are_kept_and_checked(tmp_path):
    config = configuration(url="postgres://user@host:5433/name", var=tmp_path, base_dir=tmp_path)

    assert config["NAME"] == "name"
    assert config["CONN_MAX_AGE"] == 600
    assert config["CONN_HEALTH_CHECKS"] is True


def test_a_connection_to_postgresql_is_given_up_after_some_seconds(tmp_path):
    def patience(url, **given):
        config = configuration(url=url, var=tmp_path, base_dir=tmp_path, **given)
        return int(config["OPTIONS"]["connect_timeout"])

    assert patience("postgres://user@host/name") == 5
    assert patience("postgres://user@host/name", connect_seconds=9) == 9
    assert patience("postgres://user@host/name?connect_timeout=2", connect_seconds=9) == 2


def test_the_projects_own_connection_has_the_timeout_of_the_environment(settings):
    options = settings.DATABASES["default"]["OPTIONS"]
    if settings.DATABASES["default"]["ENGINE"].endswith("postgresql"):
        assert options["connect_timeout"] == 5
    else:
        assert "connect_timeout" not in options
