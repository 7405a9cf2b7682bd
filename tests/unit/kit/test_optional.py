"""What belongs to a part that a project leaves out says so when it is asked for."""

import importlib
import runpy

import pytest
from django.apps import apps

import neural
from neural import tasks
from neural.kit.optional import TASKS, AppNotInstalled, ExtraNotInstalled

ABSENT = "neural.retrieval"


@pytest.fixture
def without_search(monkeypatch):
    installed = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda name: name != ABSENT and installed(name))


@pytest.mark.usefixtures("without_search")
def test_a_task_of_an_app_that_is_not_installed_names_the_app():
    with pytest.raises(AppNotInstalled) as refused:
        importlib.import_module("neural.tasks").index_to_vector_db  # noqa: B018

    assert str(refused.value) == (
        "neural.tasks.index_to_vector_db belongs to the app neural.retrieval, which is not "
        "installed: add 'neural.retrieval' to INSTALLED_APPS"
    )


@pytest.mark.usefixtures("without_search")
def test_to_import_such_a_task_is_an_import_error_that_names_the_app():
    with pytest.raises(ImportError, match=r"neural\.retrieval"):
        from neural.tasks import index_to_vector_db  # noqa: F401


@pytest.mark.usefixtures("without_search")
def test_a_public_call_of_an_app_that_is_not_installed_names_the_app():
    with pytest.raises(
        AppNotInstalled, match=r"neural\.search belongs to the app neural\.retrieval"
    ):
        neural.search("soup", "dishes")

    assert callable(neural.submit)


@pytest.mark.parametrize(
    ("app", "extra"),
    [
        ("retrieval", "search"),
        ("forecasting", "forecasting"),
        ("api", "http"),
        ("hooks", "webhooks"),
        ("monitoring", "monitoring"),
    ],
)
def test_an_app_without_its_extra_says_which_to_install(monkeypatch, app, extra):
    monkeypatch.setattr("neural.kit.optional.find_spec", lambda library: None)

    with pytest.raises(ExtraNotInstalled, match=rf"pip install 'zhilian-neural\[{extra}\]'"):
        runpy.run_path(importlib.import_module(f"neural.{app}.apps").__file__)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_task_of_a_part_is_reached_by_its_name(name):
    task = getattr(tasks, name)

    assert task.name == f"neural.tasks.{name}"
    assert task.app.tasks[task.name].run == task.run


def test_what_is_no_task_at_all_is_an_attribute_error():
    assert not hasattr(tasks, "index_everything")
