"""A model field for credentials: encrypted in the database with a key made from ``SECRET_KEY``.

Signatures need the secret itself, so it cannot be hashed. After a change of ``SECRET_KEY``, keep
the former one in Django's ``SECRET_KEY_FALLBACKS`` until the rows are saved again.
"""

import base64
import hashlib
import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

from neural.errors import NeuralError


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
