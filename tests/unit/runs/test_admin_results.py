"""The admin pages of django-celery-results send people to the ledger."""

import pytest
from django.test import Client
from django.urls import reverse
from django_celery_results.models import TaskResult

from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db

LISTS = ["taskresult", "groupresult"]


def address(model: str, query: str = "") -> str:
    return reverse(f"admin:django_celery_results_{model}_changelist") + query


def shown(client: Client, model: str, query: str = "", **headers: str) -> str:
    answer = client.get(address(model, query), headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def viewer_of_results(*neural: str) -> Client:
    """Who may view results, and of Neural only what is named."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Permission

    user = get_user_model().objects.create_user("lee", is_staff=True)
    names = ["view_taskresult", "view_groupresult", *neural]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return world.logged_in(user)


@pytest.mark.parametrize("model", LISTS)
def test_an_empty_list_says_where_the_ledgers_tasks_are(model):
    page = shown(world.superuser(), model)

    assert "Tasks on the ledger are kept as runs" in page
    assert f'<a href="{world.list_of("taskrun")}">Show the runs</a>' in page


@pytest.mark.parametrize("model", LISTS)
def test_it_says_so_in_chinese(model):
    page = shown(world.superuser(), model, **{"accept-language": "zh-hans"})

    assert "台账上的任务以“运行”保存" in page
    assert ">查看运行</a>" in page


def test_what_was_searched_for_is_searched_for_among_the_runs():
    client = world.superuser()
    run = world.run(task_id="no-such result")

    page = shown(client, "taskresult", "?q=no-such+result")

    target = f"{world.list_of('taskrun')}?text=no-such%20result"
    assert f'<a href="{target}">Look for “no-such result” among the runs</a>' in page
    assert client.get(target).context["cl"].result_list == [run]


def test_a_search_cannot_write_into_the_page():
    page = shown(world.superuser(), "taskresult", '?q="><script>alert(1)</script>')

    assert "<script>alert(1)" not in page


def test_results_of_plain_tasks_are_shown_as_ever():
    TaskResult.objects.create(task_id="plain-1", task_name="shop.plain", status="SUCCESS")

    assert "plain-1" in shown(world.superuser(), "taskresult")


def test_who_may_not_see_runs_is_not_sent_there():
    page = shown(viewer_of_results(), "taskresult")

    assert "Tasks on the ledger are kept as runs" in page
    assert "Show the runs" not in page
    assert world.list_of("taskrun") not in page


def test_who_may_see_runs_is():
    assert "Show the runs" in shown(viewer_of_results("view_taskrun"), "taskresult")


def test_results_themselves_need_their_own_permission():
    assert world.client_of().get(address("taskresult")).status_code == 403
