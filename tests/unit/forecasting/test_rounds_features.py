"""A round trains with the newest features; versions of older ones stay in use."""

import pytest

from neural.forecasting.core.model_types import model_type
from neural.forecasting.models import ActiveModel, Forecast, ModelVersion
from neural.forecasting.outlook import next_days
from neural.tasks import make_forecasts
from neural.worker.in_process import run_due
from tests.unit.forecasting.rounds import NAME, chain_of, finished, opened

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

OLDER, NEWER = "0" * 64, "f" * 64


@pytest.fixture
def chain():
    with chain_of("S1", "S2", "S3") as made:
        object.__setattr__(model_type(NAME), "older_schemas", (OLDER,))
        yield made


def test_a_round_names_the_newest_features(chain):
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
