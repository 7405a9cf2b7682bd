"""Hides personal data from those who may not see it: by the key under which a value stands, and by
what a value looks like (:mod:`neural.personal.rules`)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import Any

from neural.kit.conf import conf
from neural.personal.beside import KnownValues, kinds_of
from neural.personal.keys import DEFAULT_KEYS, SHOWN, KeyRules, Kind, plain_key
from neural.personal.patterns import masked
from neural.personal.rules import Redaction

PERMISSION = "neural.view_personal_data"


def sees_personal_data(user: Any) -> bool:
    """Whether this user may see personal data in clear."""
    return bool(user is not None and user.is_active and user.has_perm(PERMISSION))


def redacted(value: Any, *, key: str = "") -> Any:
    """A copy of a JSON value with personal data masked. ``key`` is the key or the field under which
    the value stands, if there is one."""
    return _redaction().value(value, key=key)


def redacted_text(text: str) -> str:
    """A text (an error, a message) with what looks like personal data masked."""
    return _redaction().text(text)


def for_user(value: Any, user: Any, *, key: str = "") -> Any:
    """The JSON value or text as this user may see it. ``key`` is the key or the field under which
    the value stands: a name, for instance, can be told by nothing else."""
    if sees_personal_data(user):
        return value
    if (known := _known_values.get()) is not None:
        value = known().masked(value)
    return redacted_text(value) if isinstance(value, str) and not key else redacted(value, key=key)


_known_values: ContextVar[Callable[[], KnownValues] | None] = ContextVar(
    "known personal values", default=None
)


@contextmanager
def masking_values_of(documents: Callable[[], Iterable[Any]]) -> Iterator[None]:
    """Within this block, :func:`for_user` masks in all texts what stands under a personal key in
    these JSON values: the arguments of a run say which names its errors may quote. ``documents``
    is called when something is to be masked first, so never for those who see everything."""
    before = _known_values.set(cache(lambda: _personal_values(documents())))
    try:
        yield
    finally:
        _known_values.reset(before)


def _personal_values(documents: Iterable[Any]) -> KnownValues:
    masks: dict[str, str] = {}
    for document in documents:
        kinds = kinds_of(_redaction(), document)
        masks |= {text: str(masked(text, kind)) for text, kind in kinds.items()}
    return KnownValues(masks)


# Pages: columns and templates have no request, so a context variable says who looks.

_viewer: ContextVar[Any] = ContextVar("viewer", default=None)


@contextmanager
def viewing(user: Any) -> Iterator[None]:
    """Within this block, :func:`shown` is for this user."""
    before = _viewer.set(user)
    try:
        yield
    finally:
        _viewer.reset(before)


def shown(value: Any, *, key: str = "") -> Any:
    """The JSON value or text as the user may see it who looks at the page; masked if nobody is
    known to look."""
    return for_user(value, _viewer.get(), key=key)


def is_masked() -> bool:
    """Whether :func:`shown` masks."""
    return not sees_personal_data(_viewer.get())


def key_rules() -> KeyRules:
    """The keys under which personal data stand, with those of the setting ``personal_keys``."""
    return _of_patterns(tuple(conf().personal_keys.items()))[0]


def _redaction() -> Redaction:
    return _of_patterns(tuple(conf().personal_keys.items()))[1]


@lru_cache(maxsize=4)
def _of_patterns(own: tuple[tuple[str, str], ...]) -> tuple[KeyRules, Redaction]:
    mine = {plain_key(pattern): kind for pattern, kind in own}
    patterns: Mapping[str, str] = {**mine, **DEFAULT_KEYS, **mine}  # they come first, and outrank
    rules = KeyRules({each: Kind(kind) for each, kind in patterns.items() if kind != SHOWN})
    return rules, Redaction(rules)
