"""The settings: one NEURAL for the ledger and every app, each part defined by its own app."""

import pytest
from django.apps import apps
from django.core.checks import Error, Warning  # noqa: A004 (their names in Django)
from pydantic import ValidationError

from neural.forecasting import conf as training
from neural.health.system_checks import check_settings, check_settings_of_absent_apps
from neural.kit.conf import SettingAlreadyRegistered, conf, owners, register_settings
from neural.kit.conf.ledger import NeuralSettings, Settings
from neural.logins import conf as logins
from neural.retrieval import conf as search


def test_each_app_reads_its_own_part_of_one_neural(settings):
    settings.NEURAL = {"max_retries": 7, "index_batch": 8, "login_failures": 9}

    assert conf().max_retries == 7
    assert search.conf().index_batch == 8
    assert logins.conf().login_failures == 9
    assert training.conf().training_memory_bytes == 320 * 1024 * 1024
    assert not hasattr(conf(), "index_batch")


def test_a_name_that_nobody_knows_is_refused_by_name(settings):
    settings.NEURAL = {"index_bach": 8}

    with pytest.raises(ValidationError, match="index_bach"):
        conf()


@pytest.mark.parametrize("name", ["index_batch", "training_memory_bytes", "login_failures"])
def test_what_is_wrong_in_an_apps_part_stops_the_ledger_as_well(settings, name):
    settings.NEURAL = {name: "many"}

    with pytest.raises(ValidationError, match=name):
        conf()


def test_the_check_says_all_that_is_wrong_whosever_it_is(settings):
    settings.NEURAL = {"max_retries": -1, "index_batch": "many", "no_such": 1, "submit_chunk": 2}

    found = check_settings()

    assert [type(each) for each in found] == [Error] * 3
    assert {each.id for each in found} == {"neural.E001"}
    told = " ".join(each.msg for each in found)
    assert all(name in told for name in ("max_retries", "index_batch", "no_such"))


ABSENT = "neural.retrieval"


def test_a_setting_of_an_app_that_is_not_installed_warns_with_the_remedy(settings, monkeypatch):
    installed = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda name: name != ABSENT and installed(name))
    settings.NEURAL = {"index_batch": 8, "max_retries": 7}

    assert check_settings() == []
    (warning,) = check_settings_of_absent_apps()

    assert isinstance(warning, Warning)
    assert warning.id == "neural.W003"
    assert warning.msg == (
        "settings.NEURAL['index_batch'] does nothing: the app neural.retrieval is not installed"
    )
    assert "'neural.retrieval' to INSTALLED_APPS" in warning.hint


def test_settings_of_installed_apps_warn_of_nothing():
    assert check_settings_of_absent_apps() == []


def test_two_apps_cannot_have_a_setting_of_one_name():
    class Loyalty(Settings):
        index_batch: int = 1

    with pytest.raises(SettingAlreadyRegistered, match=r"index_batch: .*neural\.retrieval\.conf"):
        register_settings(Loyalty)

    assert Loyalty not in owners().values()
    assert owners()["max_retries"] is NeuralSettings
