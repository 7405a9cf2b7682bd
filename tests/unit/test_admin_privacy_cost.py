"""Whether a plan's privacy budget is enough for a round is said when the plan is saved."""

import pytest

from neural.forecasting.admin.privacy_cost import warning_of
from neural.forecasting.core import privacy
from neural.forecasting.models import PrivacySpend
from tests.unit import admin_world as world
from tests.unit import learning_world as learning

pytestmark = pytest.mark.django_db
PRIVATE = {"noise_multiplier": 1.0, "fit_exchanges": 10, "epsilon_budget": 8.0}


def test_without_noise_nothing_is_said():
    assert warning_of(learning.plan(noise_multiplier=0.0)) == ""


def test_a_round_that_would_pass_the_budget_on_its_way_is_warned_of():
    said = warning_of(learning.plan(**PRIVATE))

    assert "its 10 noisy releases would take ε from 0.00 to" in said
    assert "the budget is 8." in said


def test_enough_noise_is_enough():
    assert warning_of(learning.plan(**PRIVATE | {"noise_multiplier": 10.0})) == ""


def test_what_was_spent_before_counts():
    plan = learning.plan(**PRIVATE | {"noise_multiplier": 10.0})
    PrivacySpend.objects.create(
        round=learning.training(), exchange=2, noise_multiplier=0.5, stores=3, epsilon=10.0
    )

    assert "No round can come to its end" in warning_of(plan)


def test_without_the_accountant_it_says_what_to_install(monkeypatch):
    def missing(*_args, **_options):
        raise privacy.PrivacyAccountantMissing

    monkeypatch.setattr("neural.forecasting.rounds.spending.check_budget", missing)

    assert "dp-accounting" in warning_of(learning.plan(**PRIVATE))


def test_whoever_saves_such_a_plan_is_told():
    plan = learning.plan(**PRIVATE)
    client = world.superuser()
    form = client.get(world.page_of(plan)).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    sent = {
        name: value for name, value in values.items() if value is not False and value is not None
    }

    page = client.post(world.page_of(plan), sent, follow=True).content.decode()

    assert "No round can come to its end" in page
