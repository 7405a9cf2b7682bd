"""A round trains with the newest features that every worker knows; older versions stay in use."""

from dataclasses import asdict

import pytest
from celery import current_app

from neural.forecasting.core.types import model_type
from neural.forecasting.demand_forecast import DEMAND_FORECAST
from neural.forecasting.models import ActiveModel, Forecast, ModelVersion
from neural.forecasting.outlook import next_days
from neural.forecasting.rounds.known_features import newest_known, registered_features
from neural.models import WorkerProcess
from neural.queues import LOW_PRIORITY_QUEUE
from neural.tasks import make_forecasts
from neural.worker.forwarding import registered_work
from neural.worker.in_process import run_due
from tests.unit.rounds import NAME, chain_of, finished, opened

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

OLDER, NEWER = "0" * 64, "f" * 64


@pytest.fixture
def chain():
    with chain_of("S1", "S2", "S3") as made:
        object.__setattr__(model_type(NAME), "older_schemas", (OLDER,))
        yield made


def worker(registered=None, queues=(LOW_PRIORITY_QUEUE,), **more):
    return WorkerProcess.objects.create(
        name="w", host="h", process_id=1, queues=list(queues), registered=registered, **more
    )


def knowing(*hashes):
    return {"features": {NAME: list(hashes)}}


def known():
    return newest_known(model_type(NAME))


def test_without_workers_it_trains_with_what_is_known_here(chain):
    assert known() == NEWER


def test_the_newest_that_every_worker_knows_are_taken(chain):
    worker(knowing(OLDER, NEWER))
    assert known() == NEWER

    worker(knowing(OLDER))
    assert known() == OLDER


@pytest.mark.parametrize("registered", [None, {}, {"tasks": {}}, {"features": None}])
def test_a_worker_whose_row_says_nothing_of_features_knows_the_oldest(chain, registered):
    worker(knowing(OLDER, NEWER))
    worker(registered)

    assert known() == OLDER


def test_workers_that_have_stopped_or_do_not_train_make_no_difference(chain):
    old = worker()
    worker(queues=["high_priority"])
    assert known() == OLDER

    old.stop()

    assert known() == NEWER


def test_a_workers_row_tells_which_features_it_knows():
    assert registered_features()["demand_forecast"] == list(DEMAND_FORECAST.schemas)
    assert registered_work(current_app)["features"] == registered_features()


def test_beside_an_old_worker_a_round_has_no_setting_that_it_does_not_take(chain):
    worker()
    training = opened()

    assert "features" not in training.config
    assert set(training.config) == set(asdict(training.plan.config())) - {"features"}


def test_beside_new_workers_alone_it_names_the_newest(chain):
    worker(knowing(OLDER, NEWER))

    assert opened().config["features"] == NEWER


def test_a_version_carries_the_features_that_it_was_made_with(chain):
    object.__setattr__(model_type(NAME), "schema_of", lambda content: OLDER)

    version = ModelVersion.objects.get(round=finished())

    assert version.schema_hash == OLDER


def test_a_version_of_older_features_serves_until_a_newer_one_is_published(chain):
    object.__setattr__(model_type(NAME), "schema_of", lambda content: OLDER)
    finished()
    version = ActiveModel.objects.version_of(NAME)
    assert version.schema_hash == OLDER

    assert next_days.model_in_force(NAME).version == version
    make_forecasts.apply_async(kwargs={"store_id": "S1", "model_type": NAME})
    run_due()

    assert Forecast.objects.get(store="S1").version == version
    object.__setattr__(model_type(NAME), "schema_of", None)
    finished()
    assert next_days.model_in_force(NAME).version.schema_hash == NEWER
