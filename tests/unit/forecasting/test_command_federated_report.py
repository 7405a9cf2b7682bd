"""`manage.py federated_report`: errors by store and method, for people and for programs."""

import json

import pytest
from django.core.management import CommandError, call_command

from neural.management.teaching import wide
from tests.unit.factories import make_store
from tests.unit.forecasting import learning_world as learning

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


@pytest.fixture
def command(capsys):
    """Run the command; what it says."""

    def command(*arguments):
        call_command("federated_report", *arguments)
        return capsys.readouterr().out

    return command


def test_without_a_round_it_says_what_to_type(command):
    learning.training("collecting")

    with pytest.raises(CommandError, match=r"no round yet. Type: manage.py train") as refusal:
        command()

    assert refusal.value.returncode == 1


def test_it_shows_the_last_round_that_ended_with_totals_and_stores(command):
    learning.training("failed_quorum", reason="quorum")
    training = learning.training()
    learning.update(training, make_store("S01"))
    learning.update(training, make_store("S02"), "rejected", detail="update")
    learning.version(training)
    learning.training("collecting")

    said = command()

    assert said.startswith(f"Round {training.pk}: published, version 1: better than the simple")
    assert "  new                18.0%     0.720     0.643     78.6%     +2.0%     17.0%" in said
    assert "  naive              27.0%" in said
    rows = {line.split()[0]: line for line in said.splitlines() if line.startswith("  S")}
    assert rows["S01"].split()[1:6] == ["18.0%", "19.0%", "22.0%", "27.0%", "+18.2%"]
    assert rows["S01"].endswith(
        "+18.2%  its answer counted; "
        "error fell 5.3% against the version before, fell 18.2% against the better rule"
    )
    assert rows["S02"].endswith("rejected: it contains NaN or infinity (update)")


@pytest.mark.parametrize(
    ("figures", "outcome"),
    [
        (
            learning.judged(candidate=0.188, active=0.179, weekday_mean=0.168),
            (
                "; clearly worse: error rose 5.0% against the version before, "
                "rose 11.9% against the better rule"
            ),
        ),
        (
            learning.judged(candidate=0.182, active=0.18, weekday_mean=0.182),
            "; error rose 1.1% against the version before, is that of the better rule",
        ),
        (
            learning.judged({"candidate": 0.188, "weekday_mean": 0.179, "seasonal_naive": 0.168}),
            "; clearly worse: error rose 11.9% against the better rule",
        ),
        ({}, ""),
    ],
    ids=["worse", "about as good", "without a version before", "nothing judged"],
)
def test_a_store_whose_answer_counted_is_named_as_worse_if_it_is(command, figures, outcome):
    learning.update(learning.training(), make_store("S46"), figures=figures)

    (line,) = (each for each in command().splitlines() if each.startswith("  S46"))

    assert line.endswith(f"  its answer counted{outcome}")


def test_it_shows_a_round_or_a_version_by_number(command):
    first, second = learning.training(), learning.training()
    learning.version(first)
    learning.version(second)

    assert command("--round", str(first.pk)).startswith(f"Round {first.pk}:")
    assert command("--version", "1").startswith(f"Round {first.pk}:")
    assert command("--version", "2").startswith(f"Round {second.pk}:")


@pytest.mark.parametrize("option", ["--round", "--version"])
def test_a_number_that_there_is_not_is_wrong_usage(command, option):
    with pytest.raises(CommandError, match="there is no") as refusal:
        command(option, "99")

    assert refusal.value.returncode == 2


def test_without_a_version_totals_are_added_up_from_what_stores_sent(command):
    training = learning.training("rejected", reason="no_better")
    learning.update(training, make_store("S01"))
    learning.update(training, make_store("S02"), figures=learning.judged(candidate=0.5))

    methods = json.loads(command("--json"))["methods"]

    assert methods["candidate"]["wape"] == pytest.approx(0.34)
    assert methods["seasonal_naive"]["wape"] == pytest.approx(0.27)


def test_json_has_the_round_the_version_the_totals_and_the_stores(command):
    training = learning.training()
    learning.update(training, make_store("S01"))
    version = learning.version(training)

    told = json.loads(command("--json"))

    assert told["round"]["number"] == training.pk
    assert told["round"]["seconds"] == pytest.approx(90)
    assert told["version"] == {"number": 1, "sha256": version.sha256, "standing": "candidate"}
    assert list(told["methods"]) == [
        "candidate",
        "active",
        "weekday_mean",
        "seasonal_naive",
    ]
    (store,) = told["stores"]
    assert (store["store"], store["state"], store["gain"]) == (
        "S01",
        "accepted",
        pytest.approx(0.1818, abs=1e-4),
    )
    assert set(store["methods"]["candidate"]) >= {"wape", "mase", "deviance", "coverage", "bias"}


def test_chinese_names_keep_the_columns():
    assert [wide("国贸店", 10), wide("abc", 10), wide("一二三四五六", 10)] == [
        "国贸店    ",
        "abc       ",
        "一二三四  ",
    ]
