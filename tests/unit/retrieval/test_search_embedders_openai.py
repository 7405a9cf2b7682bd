"""A server of embeddings: what it is asked, what it may answer, what is said when it does not."""

import json
import ssl
import subprocess
import threading

import numpy as np
import pytest

from neural.retrieval.choosing import make_embedder
from neural.retrieval.embedders.base import EmbedderRefused, EmbedderUnavailable
from tests.unit.retrieval.embedding_server import Server, embeddings, said, serving, vector_of

KEY = "sk-very-secret-0123456789"


@pytest.fixture
def server():
    with serving() as server:
        yield server


def embedder_of(server: Server, **options: str):
    return make_embedder(
        "openai", {"url": server.url, "model": "bge-m3", "dimensions": "3", **options}
    )


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("EMBEDDINGS_KEY", KEY)


def test_texts_are_embedded_at_unit_length_in_their_order(server):
    server.answer = lambda texts: reversed_of(embeddings(texts))

    vectors = embedder_of(server).embed(["汤", "豆腐", "a"])

    expected = np.array([vector_of(each) for each in ("汤", "豆腐", "a")])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(vectors, expected)
    assert vectors.dtype == np.float32


def reversed_of(answer):
    status, headers, body = answer
    return said(status, {"data": json.loads(body)["data"][::-1]}, **headers)


def test_the_server_is_asked_as_openai_documents_it(server):
    embedder_of(server).embed(["豆腐"])

    ((path, headers, body),) = server.asked
    assert path == "/v1/embeddings"
    assert headers["Content-Type"] == "application/json"
    assert "Authorization" not in headers
    assert body == {"model": "bge-m3", "input": ["豆腐"]}


def test_the_name_is_that_of_the_model_and_needs_no_server():
    embedder = make_embedder(
        "openai", {"url": "http://127.0.0.1:9/v1/", "model": "bge-m3", "dimensions": "3"}
    )

    assert (embedder.name, embedder.dimensions) == ("openai/bge-m3", 3)


def test_shorter_vectors_are_asked_for_only_where_told(server):
    embedder_of(server, shorten="true").embed(["豆腐"])

    assert server.asked[0][2]["dimensions"] == 3


def test_many_texts_are_several_requests_on_one_connection(server):
    vectors = embedder_of(server, batch="2").embed(["a", "b", "c", "d", "e"])

    assert [body["input"] for _, _, body in server.asked] == [["a", "b"], ["c", "d"], ["e"]]
    assert server.connections == 1
    assert vectors.shape == (5, 3)


def test_what_cannot_be_read_is_never_sent(server):
    embedder = embedder_of(server, longest="5")

    vectors = embedder.embed(["🍜", "豆腐豆腐豆腐", "\0"])
    nothing = embedder.embed([""])

    assert [body["input"] for _, _, body in server.asked] == [["豆腐豆腐豆"]]
    assert not vectors[0].any()
    assert not vectors[2].any()
    assert nothing.tolist() == [[0, 0, 0]]


def test_the_key_comes_from_the_environment_at_each_request(server, key, monkeypatch):
    embedder = embedder_of(server, api_key_env="EMBEDDINGS_KEY")
    monkeypatch.setenv("EMBEDDINGS_KEY", "sk-renewed\n")
    embedder.embed(["豆腐"])

    assert server.asked[0][1]["Authorization"] == "Bearer sk-renewed"


@pytest.mark.parametrize("content", [None, "", "  ", "sk-汤", "sk-a\nHost: b"])
def test_a_key_that_is_missing_or_cannot_be_sent_is_told_at_once(server, content, monkeypatch):
    monkeypatch.delenv("EMBEDDINGS_KEY", raising=False)
    if content is not None:
        monkeypatch.setenv("EMBEDDINGS_KEY", content)

    with pytest.raises(EmbedderRefused, match="environment variable EMBEDDINGS_KEY") as raised:
        embedder_of(server, api_key_env="EMBEDDINGS_KEY")

    assert "sk-" not in str(raised.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500])
def test_no_error_shows_the_key(server, key, status):
    server.answer = lambda _: said(status, {"error": {"message": f"{'x' * 290} {KEY} is wrong"}})
    embedder = embedder_of(server, api_key_env="EMBEDDINGS_KEY")

    with pytest.raises((EmbedderRefused, EmbedderUnavailable)) as raised:
        embedder.embed(["豆腐"])

    assert "sk-very" not in f"{raised.value!r} {vars(embedder)}"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "no model bge-m3"}}, "no model bge-m3"),
        ({"error": "no model bge-m3"}, "no model bge-m3"),
        ({"detail": "no model bge-m3"}, "no model bge-m3"),
        ({"other": 1}, '{"other": 1}'),
        (b"<html>not\nfound</html>", "<html>not found</html>"),
        (b"", "no message"),
    ],
)
def test_a_refusal_is_permanent_and_repeats_what_the_server_says(server, body, message):
    server.answer = lambda _: said(404, body)

    with pytest.raises(EmbedderRefused) as raised:
        embedder_of(server).embed(["豆腐"])

    assert str(raised.value) == f"{server.url}/embeddings answered 404: {message}"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_busy_or_broken_server_may_be_asked_again(server, status):
    server.answer = lambda _: said(status, {"error": "busy"}, Retry_After="7")

    with pytest.raises(EmbedderUnavailable, match=f"{status}: busy .try again after: 7"):
        embedder_of(server).embed(["豆腐"])

    assert len(server.asked) == 1


def test_a_key_that_is_not_accepted_is_named(server, key):
    server.answer = lambda _: said(401, {"error": {"message": "Incorrect key sk-very***789"}})

    with pytest.raises(EmbedderRefused, match="the key in EMBEDDINGS_KEY"):
        embedder_of(server, api_key_env="EMBEDDINGS_KEY").embed(["豆腐"])


def test_no_redirect_is_followed(server, key):
    with serving() as other:
        server.answer = lambda _: said(307, b"", Location=f"{other.url}/embeddings")

        with pytest.raises(EmbedderRefused, match="307, a redirect: set url"):
            embedder_of(server, api_key_env="EMBEDDINGS_KEY").embed(["豆腐"])

        assert other.asked == []


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ([], "0 vectors for 2 texts"),
        ([{"index": 0, "embedding": [1, 2, 3]}] * 2, "with indexes"),
        ([{"index": [], "embedding": [1, 2, 3]}] * 2, "data.0.index: Input should be a valid int"),
        ([{"index": 0}, {"index": 1}], "data.0.embedding: Field required"),
        ([1, 2], "data.0: Input should be an object"),
        ([{"embedding": [1, 2]}] * 2, "have 2 numbers, not 3: correct dimensions"),
        ([{"embedding": [1, 2, "x"]}] * 2, "data.0.embedding.2: Input should be a valid number"),
        ([{"embedding": "AAAA"}] * 2, "data.0.embedding: Input should be a valid array"),
        ([{"embedding": [1, 2, float("nan")]}] * 2, "should be a finite number"),
        ([{"embedding": [1, 2, 1e300]}] * 2, "less than or equal to 30"),
        ([{"embedding": [1, 2, None]}] * 2, "should be a valid number"),
        ("text", "not one of /v1/embeddings"),
    ],
)
def test_an_answer_that_is_wrong_is_refused_and_says_how(server, data, problem):
    server.answer = lambda _: said(200, {"data": data})

    with pytest.raises(EmbedderRefused, match=problem):
        embedder_of(server).embed(["豆腐", "汤"])


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"\xff", b'{"error": "no"}'])
def test_an_answer_of_another_kind_points_at_the_url(server, body):
    server.answer = lambda _: said(200, body)

    with pytest.raises(EmbedderRefused, match="see whether url is right"):
        embedder_of(server).embed(["豆腐"])


def test_an_answer_without_indexes_is_in_order(server):
    server.answer = lambda texts: said(200, {"data": [{"embedding": vector_of(t)} for t in texts]})

    long, short = embedder_of(server).embed(["豆腐豆腐", "汤"])

    assert long @ short < 1
    assert long[0] > short[0]


def test_large_numbers_are_scaled_and_zeros_stay(server):
    vectors = [[1e38, 1e38, 0], [0, 0, 0]]
    server.answer = lambda _: said(200, {"data": [{"embedding": each} for each in vectors]})

    large, zeros = embedder_of(server).embed(["豆腐", "汤"])

    assert large == pytest.approx([0.7071, 0.7071, 0], abs=1e-4)
    assert not zeros.any()


def test_a_server_that_is_away_may_be_asked_again():
    with serving() as gone:
        embedder = embedder_of(gone)

    with pytest.raises(EmbedderUnavailable, match="does not answer"):
        embedder.embed(["豆腐"])


def test_a_server_that_is_silent_for_too_long_may_be_asked_again(server):
    over = threading.Event()
    server.answer = lambda texts: (over.wait(60), embeddings(texts))[1]

    with pytest.raises(EmbedderUnavailable, match=r"does not answer \(ReadTimeout"):
        embedder_of(server, timeout="0.05").embed(["豆腐"])
    over.set()


def test_a_certificate_that_nobody_vouches_for_is_refused(server, tmp_path):
    server.socket = _of_its_own_word(tmp_path).wrap_socket(server.socket, server_side=True)
    url = server.url.replace("http:", "https:").replace("127.0.0.1", "localhost")

    with pytest.raises(EmbedderRefused, match="certificate is not valid"):
        embedder_of(server, url=url).embed(["豆腐"])

    assert server.asked == []


def _of_its_own_word(folder) -> ssl.SSLContext:
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    made += ["-keyout", folder / "key.pem", "-out", folder / "certificate.pem"]
    try:
        subprocess.run(made, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("the command openssl, which makes the certificate, is not installed")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"url": "localhost:11434/v1"}, "like http://localhost:11434/v1"),
        ({"url": "ftp://localhost/v1"}, "like http://localhost:11434/v1"),
        ({"url": "http://user:word@localhost/v1"}, "api_key_env"),
        ({"url": "http://localhost/v1?key=word"}, "api_key_env"),
        ({"dimensions": "0"}, "dimensions: Input should be greater"),
        ({"model": ""}, "model: String should have at least 1"),
        ({"model": "m" * 121}, "model: String should have at most 120"),
        ({"timeout": "soon"}, "timeout: Input should be a valid number"),
        ({"api_key": "sk-here"}, "api_key: Extra inputs"),
    ],
)
def test_a_wrong_option_is_refused_without_repeating_a_secret(server, options, problem):
    with pytest.raises(EmbedderRefused, match=problem) as raised:
        embedder_of(server, **options)

    assert "word" not in str(raised.value)
    assert "sk-here" not in str(raised.value)


def test_what_must_be_given_is_named():
    with pytest.raises(EmbedderRefused, match="model: Field required; dimensions: Field required"):
        make_embedder("openai", {"url": "http://localhost/v1"})
