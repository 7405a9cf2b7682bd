"""How Eleme signs its messages, and how its API is called. Imports no Django."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from neural.hooks.platforms.base import Client, Credentials
from neural.hooks.platforms.reading import Fields
from neural.hooks.platforms.signing import md5


def signature_of(body: Mapping[str, Any], secret: str) -> str:
    """MD5 over all fields but the signature, sorted, each ``name=value``, then the secret."""
    signed = "".join(
        f"{name}={_written(body[name])}" for name in sorted(body) if name != "signature"
    )
    return md5(signed + secret).upper()


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def call_of(
    action: str,
    params: Mapping[str, Any],
    credentials: Credentials,
    *,
    token: str,
    timestamp: int,
    identity: str,
) -> dict[str, Any]:
    """A signed call of Eleme's API, protocol nop 1.0.0."""
    metas = {"app_key": credentials["app_key"], "timestamp": timestamp}
    signed = "".join(
        f"{name}={json.dumps(value, ensure_ascii=False, separators=(',', ':'))}"
        for name, value in sorted({**metas, **params}.items())
    )
    return {
        "nop": "1.0.0",
        "id": identity,
        "action": action,
        "token": token,
        "metas": metas,
        "params": dict(params),
        "signature": md5(action + token + signed + credentials["app_secret"]).upper(),
    }


def token_of(address: str, credentials: Credentials, client: Client) -> str:
    """An access token of an application that serves its own stores."""
    pair = f"{credentials['app_key']}:{credentials['app_secret']}"
    answer = client.post_form(
        f"{address}/token",
        fields={"grant_type": "client_credentials", "scope": "all"},
        headers={"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"},
    )
    return Fields(answer, "the answer with the token").text("access_token", 10_000)
