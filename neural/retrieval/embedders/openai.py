"""An embedder for any server with OpenAI's ``/v1/embeddings``: also Ollama, vLLM, llama.cpp and
others.

https://platform.openai.com/docs/api-reference/embeddings/create
"""

import json
import os
import ssl
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

import numpy as np
import urllib3
from pydantic import BaseModel, Field, ValidationError

from neural.retrieval.embedders.base import (
    LONGEST_TEXT,
    Embedder,
    EmbedderRefused,
    EmbedderUnavailable,
    Vectors,
    embed_readable,
)

LONGEST_MESSAGE = 300
_LARGEST = 3e38
"""A larger number is no float32."""
_WORTH_ANOTHER_TRY = (408, 425, 429)


class OpenAiCompatible(Embedder):
    """Asks a server for vectors. It does not retry: the ledger retries the indexing run.

    ``url`` ends before ``/embeddings``, like ``http://localhost:11434/v1``. ``dimensions`` is the
    length of the model's vectors. With ``shorten``, the server is asked for vectors of that length,
    which some models support. ``api_key_env`` names the environment variable with the key, which is
    stored nowhere else. ``timeout`` is in seconds without an answer. ``batch`` is the number of
    texts per request, ``longest`` the number of characters of a text.
    """

    def __init__(
        self,
        *,
        url: str,
        model: Annotated[str, Field(min_length=1, max_length=120)],
        dimensions: Annotated[int, Field(ge=1)],
        api_key_env: str = "",
        shorten: bool = False,
        batch: Annotated[int, Field(ge=1)] = 64,
        timeout: Annotated[float, Field(gt=0)] = 10,
        longest: Annotated[int, Field(ge=1)] = LONGEST_TEXT,
    ) -> None:
        self._url = _address(url)
        self.name, self.dimensions = f"openai/{model}", dimensions
        self._model, self._shorten = model, shorten
        self._batch, self._longest = batch, longest
        self._key_variable = api_key_env
        self._headers()  # raises at once if the key is missing
        # Without retries there are no redirects: a redirected POST would lose its body and send the
        # key to another host.
        self._http = urllib3.PoolManager(maxsize=4, retries=False, timeout=timeout)

    def embed(self, texts: Sequence[str]) -> Vectors:
        return embed_readable(
            texts, self._encode, dimensions=self.dimensions, longest=self._longest
        )

    def _encode(self, texts: list[str]) -> Vectors:
        starts = range(0, len(texts), self._batch)
        return np.concatenate([self._ask(texts[start : start + self._batch]) for start in starts])

    def _ask(self, texts: list[str]) -> Vectors:
        wanted: dict[str, Any] = {"model": self._model, "input": texts}
        if self._shorten:
            wanted["dimensions"] = self.dimensions
        answer = self._post(wanted)
        if answer.status != 200:
            raise self._error(answer)
        return vectors_of(answer.data, count=len(texts), dimensions=self.dimensions)

    def _post(self, wanted: dict[str, Any]) -> urllib3.BaseHTTPResponse:
        try:
            return self._http.request("POST", self._url, json=wanted, headers=self._headers())
        except urllib3.exceptions.HTTPError as error:
            if any(isinstance(each, ssl.SSLCertVerificationError) for each in error.args):
                raise EmbedderRefused(f"{self._url}: its certificate is not valid here") from error
            kind = type(error).__name__
            raise EmbedderUnavailable(f"{self._url} does not answer ({kind})") from error

    def _headers(self) -> dict[str, str]:
        variable = self._key_variable
        return {"Authorization": f"Bearer {_key_in(variable)}"} if variable else {}

    def _error(self, answer: urllib3.BaseHTTPResponse) -> EmbedderRefused | EmbedderUnavailable:
        message = f"{self._url} answered {answer.status}"
        if answer.status in (401, 403):
            # The server's message is left out, as some repeat parts of the key.
            asked = f"the key in {self._key_variable}" if self._key_variable else "without a key"
            return EmbedderRefused(f"{message}: it does not let us in ({asked})")
        if 300 <= answer.status < 400:
            return EmbedderRefused(f"{message}, a redirect: set url to where the server really is")
        secret = _key_in(self._key_variable) if self._key_variable else ""
        message = f"{message}: {message_of(answer.data, secret=secret)}"
        if answer.status < 500 and answer.status not in _WORTH_ANOTHER_TRY:
            return EmbedderRefused(message)
        later = answer.headers.get("Retry-After")
        return EmbedderUnavailable(f"{message} (try again after: {later})" if later else message)


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EmbedderRefused("url must be like http://localhost:11434/v1")
    if parts.username or parts.password or parts.query:
        raise EmbedderRefused("url holds more than an address: a key belongs in api_key_env")
    return url.rstrip("/").removesuffix("/embeddings") + "/embeddings"


def _key_in(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not (key and key.isascii() and key.isprintable()):
        raise EmbedderRefused(f"environment variable {variable} holds no key that can be sent")
    return key


class _Embedding(BaseModel):
    index: int | None = None
    embedding: list[Annotated[float, Field(ge=-_LARGEST, le=_LARGEST, allow_inf_nan=False)]]


class _Answer(BaseModel):
    data: list[_Embedding]


def vectors_of(body: bytes, *, count: int, dimensions: int) -> Vectors:
    """The vectors in the order of the texts, whatever the order of the answer. Raises
    :class:`EmbedderRefused` for any other answer."""
    try:
        entries = _Answer.model_validate_json(body).data
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise EmbedderRefused(
            f"the answer is not one of /v1/embeddings ({what}): see whether url is right"
        ) from None
    placed = {
        place if each.index is None else each.index: each.embedding
        for place, each in enumerate(entries)
    }
    if len(entries) != count or placed.keys() != set(range(count)):
        found = f"{len(entries)} vectors for {count} texts, with indexes {sorted(placed)[:5]}"
        raise EmbedderRefused(f"the server answered {found}")
    for length in {len(each) for each in placed.values()} - {dimensions}:
        raise EmbedderRefused(
            f"the server's vectors have {length} numbers, not {dimensions}:"
            " correct dimensions in NEURAL['embedder_options']"
        )
    return np.array([placed[place] for place in range(count)], dtype=np.float32)


def message_of(body: bytes, *, secret: str = "") -> str:
    """The server's error message, in any of the usual forms, as one short line without the
    secret."""
    line = " ".join(_message_in(body.decode("utf-8", "replace")).split())
    return (line.replace(secret, "***") if secret else line)[:LONGEST_MESSAGE] or "no message"


def _message_in(text: str) -> str:
    """The innermost message; the whole text if it is not JSON or has an unknown form."""
    try:
        message = json.loads(text)
        while isinstance(message, dict):
            message = next(message[key] for key in ("error", "message", "detail") if key in message)
    except (ValueError, StopIteration):
        return text
    return str(message)
