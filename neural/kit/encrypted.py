"""A model field for credentials: encrypted in the database with a key made from ``SECRET_KEY``.

Signatures need the secret itself, so it cannot be hashed. After a change of ``SECRET_KEY``, keep
the former one in Django's ``SECRET_KEY_FALLBACKS`` until ``manage.py reencrypt`` has run.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models.functions import Cast

from neural.kit.errors import NeuralError


class SecretUnreadable(NeuralError):
    """A credential was encrypted with another ``SECRET_KEY``."""


class EncryptedJSONField(models.TextField):
    """A JSON value, encrypted as text. It cannot be searched."""

    _pyi_private_get_type: Any  # for the type checker: the value is no text
    _pyi_private_set_type: Any

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else _cipher().encrypt(json.dumps(value).encode()).decode()

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return None if value is None else _decrypted(value)

    def value_to_string(self, obj: models.Model) -> Any:
        """What ``dumpdata`` writes: encrypted, as in the database."""
        return self.get_prep_value(self.value_from_object(obj))

    def to_python(self, value: Any) -> Any:
        """The value, also from what :meth:`value_to_string` wrote."""
        return _decrypted(value) if isinstance(value, str) else value


class Stored(NamedTuple):
    """A stored credential that was looked at by :func:`encrypt_anew`."""

    name: str
    """Its table and the key of its row."""
    is_changed: bool
    is_readable: bool = True


def encrypt_anew() -> Iterator[Stored]:
    """Encrypt every stored credential with the present key that was encrypted with a former one.

    A row that somebody else changes meanwhile keeps what was written.
    """
    for model in apps.get_models():
        for each in model._meta.concrete_fields:
            if isinstance(each, EncryptedJSONField) and not model._meta.proxy:
                yield from _encrypt_anew(model, each.name)


def _encrypt_anew(model: type[models.Model], field: str) -> Iterator[Stored]:
    text = models.TextField()
    rows = model._base_manager.annotate(stored_text=Cast(field, text))
    for pk, stored in list(rows.values_list("pk", "stored_text")):
        name = f"{model._meta.label} {pk}"
        try:
            anew = stored and _with_present_key(stored)
        except InvalidToken:
            yield Stored(name, is_changed=False, is_readable=False)
            continue
        same = rows.filter(pk=pk, stored_text=stored)
        is_changed = anew != stored and same.update(**{field: models.Value(anew, text)})
        yield Stored(name, is_changed=bool(is_changed))


def _with_present_key(stored: str) -> str:
    present = Fernet(_key_from(settings.SECRET_KEY))
    with suppress(InvalidToken):
        present.decrypt(stored.encode())
        return stored
    return _cipher().rotate(stored.encode()).decode()


def _decrypted(value: str) -> Any:
    try:
        return json.loads(_cipher().decrypt(value.encode()))
    except InvalidToken:
        raise SecretUnreadable(
            "credentials were encrypted with another SECRET_KEY: put that key into "
            "SECRET_KEY_FALLBACKS, or enter the credentials again"
        ) from None


def _cipher() -> MultiFernet:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet([Fernet(_key_from(key)) for key in keys])


def _key_from(secret: str | bytes) -> bytes:
    text = secret.encode() if isinstance(secret, str) else secret
    return base64.urlsafe_b64encode(
        hashlib.blake2b(text, digest_size=32, person=b"neural.hooks").digest()
    )
