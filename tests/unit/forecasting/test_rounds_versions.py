"""Versions never change; the pointer moves forward through the gate, and back by a person."""

import pytest
from django.db import IntegrityError, connection, transaction

from neural.forecasting.models import ActiveModel, ModelVersion, Publishing, Standing, TrainingPlan
from neural.forecasting.models.version import VersionContentChanged, VersionImmutable
from tests.unit.forecasting.rounds import NAME, chain_of, finished

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


def make(model_type: str = "m", **fields) -> ModelVersion:
    content = {"weights": [0.1, -0.0, 1e22], "nachricht": "größer"}
    return ModelVersion.objects.add(model_type=model_type, content=content, **fields)


def active() -> ModelVersion | None:
    return ActiveModel.objects.version_of("m")


@pytest.fixture
def chain():
    with chain_of("S1", "S2", "S3") as made:
        yield made


# Versions


def test_a_version_gives_back_what_it_was_given_to_the_last_digit():
    make()

    found = ModelVersion.objects.get().load()

    assert repr(found["weights"]) == "[0.1, -0.0, 1e+22]"
    assert found["nachricht"] == "größer"


def test_versions_of_a_type_are_numbered_from_one():
    assert [make().number, make().number, make("other").number] == [1, 2, 1]


def test_a_version_cannot_be_saved_again_nor_deleted_nor_changed():
    version = make()

    with pytest.raises(VersionImmutable):
        version.save()
    with pytest.raises(VersionImmutable):
        version.delete()
    with pytest.raises(VersionImmutable):
        ModelVersion.objects.all().delete()
    with pytest.raises(VersionImmutable, match="content, sha256"):
        ModelVersion.objects.update(content="{}", sha256="0" * 64)
    assert ModelVersion.objects.get().load() == version.load()


def test_content_that_somebody_changed_is_not_used():
    make()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE neural_modelversion SET content = '{}'")

    with pytest.raises(VersionContentChanged, match="was changed"):
        ModelVersion.objects.get().load()


def test_the_same_content_has_the_same_sum_whatever_the_order_of_its_keys():
    one = ModelVersion.objects.add(model_type="m", content={"a": 1, "b": 2})
    other = ModelVersion.objects.add(model_type="m", content={"b": 2, "a": 1})

    assert one.sha256 == other.sha256


def test_a_candidate_may_be_rejected_once():
    version = make()

    assert version.reject()
    assert not version.reject()
    assert ModelVersion.objects.get().standing == Standing.REJECTED


def test_a_round_has_one_version(chain):
    training = finished()

    with pytest.raises(IntegrityError), transaction.atomic():
        make(round=training)


# The pointer


def test_publishing_moves_the_pointer_from_the_version_that_is_expected():
    first, second, third = make(), make(), make()

    assert ActiveModel.objects.publish(first, instead_of=None)
    assert not ActiveModel.objects.publish(second, instead_of=None)  # somebody was quicker
    assert ActiveModel.objects.publish(second, instead_of=first, by="ada")
    assert not ActiveModel.objects.publish(third, instead_of=first)

    assert active() == second
    pointer = ActiveModel.objects.get()
    assert pointer.changed_by == "ada"
    standing = ModelVersion.objects.order_by("number").values_list("standing", flat=True)
    assert list(standing) == ["published", "published", "candidate"]


def test_a_person_publishes_a_candidate_or_an_earlier_version():
    first, second = make(), make()

    assert first.publish(by="ada")
    assert second.publish()
    assert not second.publish()
    assert first.publish()

    assert active() == first


def test_rolling_back_moves_the_pointer_to_the_parent_and_says_whether():
    first = make()
    second = make(parent=first)
    first.publish()
    second.publish()

    pointer = ActiveModel.objects.get()
    assert pointer.roll_back(by="ada")
    assert active() == first
    assert not ActiveModel.objects.get().roll_back()  # nothing is before it
    assert active() == first


def test_rolling_back_what_somebody_else_has_moved_does_nothing():
    first = make()
    second, third = make(parent=first), make(parent=first)
    second.publish()
    pointer = ActiveModel.objects.get()
    third.publish()

    assert not pointer.roll_back()

    assert active() == third


# The gate


@pytest.mark.parametrize("method", ["active", "seasonal_naive", "weekday_mean"])
def test_a_candidate_that_is_worse_is_kept_and_not_published(chain, method):
    finished()
    chain.deviance[method] = 0.9  # in every store better than the candidate

    training = finished()

    assert (training.state, training.reason) == ("rejected", "no_better")
    assert training.detail == f"{method}: 0.9000, candidate: 1.0000"
    assert ActiveModel.objects.version_of(NAME).number == 1
    assert training.version.standing == Standing.REJECTED
    assert training.version.metrics["totals"]["candidate"]["count"] == 21


def test_a_plan_may_leave_publishing_to_a_person(chain):
    TrainingPlan.objects.update(publishing=Publishing.BY_A_PERSON)

    training = finished()

    assert (training.state, training.reason) == ("rejected", "candidate")
    assert ActiveModel.objects.version_of(NAME) is None
    assert training.version.publish(by="ada")
    assert ActiveModel.objects.version_of(NAME) == training.version


def test_a_candidate_that_nobody_could_judge_is_not_published(chain):
    chain.deviance.clear()

    training = finished()

    assert (training.state, training.reason) == ("rejected", "not_judged")


def test_when_a_person_moved_the_pointer_meanwhile_theirs_stays(chain, monkeypatch):
    finished()
    finished()
    pointer = ActiveModel.objects.get()
    real = chain.program.go_on

    def meanwhile(config, server_state, question, answers):
        if question.judges:
            pointer.roll_back(by="ada")
        return real(config, server_state, question, answers)

    monkeypatch.setattr(chain.program, "go_on", meanwhile, raising=False)
    training = finished()

    assert (training.state, training.reason) == ("rejected", "overtaken")
    assert ActiveModel.objects.version_of(NAME).number == 1
    assert training.version.standing == Standing.CANDIDATE


def test_a_pointer_that_moves_at_the_last_moment_has_the_round_look_again(chain, monkeypatch):
    real, refused = type(ActiveModel.objects)._point, []

    def too_late_once(self, *given):
        if not refused:
            refused.append(given)
            return False
        return real(self, *given)

    monkeypatch.setattr(type(ActiveModel.objects), "_point", too_late_once)

    training = finished()

    assert (training.state, len(refused)) == ("published", 1)
    assert ModelVersion.objects.get() == ActiveModel.objects.version_of(NAME)
