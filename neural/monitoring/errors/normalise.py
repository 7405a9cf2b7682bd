"""Takes the values out of the messages of errors. Imports no Django.

What is left is the same for every occurrence of a fault: numbers, ids, addresses, dates and quoted
values are replaced by what they are. Names in the messages of Python's own errors are kept, because
they tell one fault from another: the attribute that is missing, the key, the argument.
"""

import re
from collections.abc import Callable

MOST_READ = 3000
"""Characters of a message that are looked at."""
MOST_LINES = 12
MOST_KEPT = 1000
"""Characters of a message without its values that are kept."""
LONGEST_KEY = 60

_WITH_NAMES = (
    "AttributeError NameError UnboundLocalError ImportError ModuleNotFoundError TypeError KeyError "
    "FieldError FieldDoesNotExist TemplateDoesNotExist TemplateSyntaxError NoReverseMatch "
    "ImproperlyConfigured NotImplementedError SyntaxError IndentationError TabError"
)
_NAMING = frozenset(_WITH_NAMES.split())
"""Types whose quoted texts are names in the code."""
_CLEAR_STATES = (
    "DeadlockDetected SerializationFailure QueryCanceled LockNotAvailable AdminShutdown DiskFull "
    "IdleInTransactionSessionTimeout TransactionTimeout DivisionByZero TooManyConnections "
    "OutOfMemory StringDataRightTruncation NumericValueOutOfRange"
)
_NAMELESS = frozenset(_CLEAR_STATES.split())
_STATES_OF_OBJECTS = (
    "UniqueViolation ForeignKeyViolation CheckViolation NotNullViolation ExclusionViolation "
    "RestrictViolation UndefinedTable DuplicateTable"
)
_IDENTIFYING = frozenset(_STATES_OF_OBJECTS.split())
"""Names of SQLSTATEs in psycopg. Their messages are in the server's language; of the latter only
the quoted identifiers are kept, of the former nothing: the name says it all."""

NESTED = "Traceback (most recent call last):"
"""What a traceback within a message begins with."""
_DETAILS = re.compile(
    r"\n\s*(?:DETAIL|HINT|CONTEXT|QUERY|STATEMENT|LINE \d+|LOCATION|详细信息|提示|上下文|描述)"
    r"\s*[:：].*",
    re.DOTALL,
)
_IDENTIFIERS = re.compile(r"[\"“]([^\W\d]\w*)[\"”]")
_SUGGESTION = re.compile(
    r"(?:[.,;]? Did you mean\b|\. Or did you forget\b|\. Perhaps you forgot\b).*"
)
_GROUP_SIZE = re.compile(r" \(\d+ sub-exceptions?\)$")
_POISON = re.compile(r"; given up as poison after \d+ lost deliveries$")

_QUOTED = re.compile(
    r"(?<!\w)[bru]?'(?P<a>(?:[^'\\\n]|\\.){0,500})'(?!\w)|(?<!\w)[bru]?\"(?P<b>(?:[^\"\\\n]|\\.){0,500})\"(?!\w)"
    r"|`(?P<c>[^`\n]{0,500})`|“(?P<d>[^”\n]{0,500})”|‘(?P<e>[^’\n]{0,500})’|「(?P<f>[^」\n]{0,500})」|『(?P<g>[^』\n]{0,500})』"
    r"|《(?P<h>[^》\n]{0,500})》"
)
_UNCLOSED = re.compile(r"(?<!\w)['\"“「][^'\"”」\n]*$|\S+$")
_A_NAME_FOLLOWS = re.compile(
    r"\b(?:constraint|column|index|field|argument|parameter|attribute|method|option|setting|module"
    r"|keyword)s?\s*$",
    re.IGNORECASE,
)
_A_NAME_OF_THE_DATABASE_FOLLOWS = re.compile(
    r"\b(?:relation|table|schema|view|function|sequence|type|role|database)\s*$", re.IGNORECASE
)
_OF_DATABASES = ("django.db.", "psycopg", "sqlite3.", "sqlalchemy.")
_NAME = re.compile(r"[^\W\d][\w.-]{0,99}(?:\(\))?")

_Replacement = str | Callable[[re.Match[str]], str]
_UNIT = (
    r"(?:[mµun]?s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|days?|weeks?|milliseconds?"
    r"|microseconds?|秒|毫秒|分钟|小时|天)"
)
_BEFORE_QUOTES: tuple[tuple[re.Pattern[str], _Replacement], ...] = (
    (re.compile(r"[!-~]{256,}"), "<text>"),
    (re.compile(r"^\s*For further information visit .*$", re.MULTILINE), ""),
    (re.compile(r"input_value=.*(?=, input_type=)|input_value=.*$", re.MULTILINE), "input_value"),
    (re.compile(r" args: ?[\[(].*", re.DOTALL), " args:<values>"),
    (re.compile(r"(?<=with url: )\S+"), "<path>"),
    (re.compile(r"<(class|module) '([\w.]+)'[^<>]*>"), r"\1 \2"),
    (re.compile(r"<(?:function|bound method) ([\w.]+)[^<>]*>"), r"function \1"),
    (re.compile(r"<([^\W\d][\w.]*)(?:(?: object)? at 0x|[: =][^<>\n]*)[^<>\n]*>"), r"<\1>"),
    (re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s'\"<>)\],;]+"), "<url>"),
    (re.compile(r"[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+"), "<email>"),
)
_DATE = (
    r"\b\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ]\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?"
    r"(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?)?(?!\w)|\d{4}年\d{1,2}月\d{1,2}日"
)
_CLOCK = r"\b\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?(?![\w:])"
_IPV6 = r"(?<![\w:.])\[?(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{1,4}\]?(?::\d+)?(?![\w:])"
_IPV4 = r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?:(?::|, port )\d+)?(?![\w.]\d)"
_HOST = r"\b[A-Za-z][A-Za-z0-9-]{0,62}(?:\.[A-Za-z0-9-]{1,63}){0,8}:\d{2,5}\b"
_KEPT_NUMBER = (
    r"\b(?:utf|sha|int|uint|float|base|md|ipv|gb)[-_]?\d+\b"
    r"|\b(?:HTTP(?: Error| status)?|status(?:[ _]code)?)[ :=]+[1-5]\d\d\b"
)
_ID = (
    r"(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z0-9_-]{24,}={0,2}(?![\w-])"
    r"|\b[A-Z]{1,6}[-_]?\d+(?:[-_]\d+)*\b|\b[A-Za-z]*\d+[A-Za-z][A-Za-z0-9]*\b"
)
_NUMBER = r"(?:(?<!\w)[-+])?\d+(?:[.,_]\d+)*(?:[eE][-+]?\d+)?%?"
_AFTER_QUOTES: tuple[tuple[re.Pattern[str], _Replacement], ...] = (
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(_DATE), "<date>"),
    (re.compile(_IPV6), lambda found: "<host>" if len(found[0]) > 6 else "<time>"),
    (re.compile(_CLOCK), "<time>"),
    (re.compile(_IPV4), "<host>"),
    (re.compile(_HOST), "<host>"),
    (re.compile(r"(?<![\w<.:/])(?:/[\w.@+%=-]+){2,}/?"), "<path>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "<id>"),
    (
        re.compile(r"(?<![\w.])[-+]?\d+(?:[.,]\d+)*\s?" + _UNIT + r"(?!\w)", re.IGNORECASE),
        "<duration>",
    ),
    (
        re.compile(f"(?P<kept>{_KEPT_NUMBER})|(?P<id>{_ID})|{_NUMBER}", re.IGNORECASE),
        lambda found: found["kept"] or ("<id>" if found["id"] else "<n>"),
    ),
)
_PLURAL = re.compile(r"(<n> (?:validation )?[A-Za-z]{3,}?[a-rt-z])s\b")
_ONE = r"[\w.]*<\w+>"
_CONTAINERS = (
    re.compile(r"\{[^{}]*\}"),
    re.compile(rf"[\[(]\s*(?:(?:{_ONE}|None|True|False|\w+=)[\s,:]*)*[\])](?<!\w\(\))"),
    re.compile(rf"{_ONE}(?:\s*,\s*{_ONE})+"),
    re.compile(r"<values?>(?:\s*<values?>)+"),
)


def without_values(kind: str, message: str, *, sqlstate: str = "") -> str:
    """A message without its values, in one line.

    ``kind`` is the type of the exception; ``sqlstate`` psycopg's name for the state of a database
    error, if it is one.
    """
    name = kind.rpartition(".")[2]
    if sqlstate in _NAMELESS:
        return ""
    text = _DETAILS.sub("", _without_traceback(message[:MOST_READ]))
    if sqlstate in _IDENTIFYING:
        return " ".join(f'"{each}"' for each in sorted(set(_IDENTIFIERS.findall(text))))
    if name == "RecursionError" and text.startswith("maximum recursion depth exceeded"):
        return "maximum recursion depth exceeded"
    if len(message) > MOST_READ:
        text = _UNCLOSED.sub("", text)
    text = _GROUP_SIZE.sub("", _POISON.sub("", _SUGGESTION.sub("", text)))
    for pattern, replacement in _BEFORE_QUOTES:
        text = pattern.sub(replacement, text)
    text = _QUOTED.sub(lambda found: _kept(found, kind), text)
    for pattern, replacement in _AFTER_QUOTES:
        text = pattern.sub(replacement, text)
    return _one_line(_PLURAL.sub(r"\1", _collapsed(text)))


def cut_off(error: str) -> str:
    """The beginning of a message that was cut, without what may be half a value at its end."""
    return _UNCLOSED.sub("", error).rstrip()


def _without_traceback(message: str) -> str:
    text, found, _ = message.partition(NESTED)
    return text.removesuffix("Exception Group ").rstrip(" +|\n\"'") if found else text


def _kept(found: re.Match[str], kind: str) -> str:
    """A quoted text, if it is a name in the code; else a placeholder."""
    name = kind.rpartition(".")[2]
    inner = next((value for value in found.groupdict().values() if value is not None), "")
    if name == "KeyError":
        is_name = len(inner) <= LONGEST_KEY and "\\" not in inner
    elif name in _NAMING:
        is_name = bool(_NAME.fullmatch(inner))
    else:
        before = found.string[max(found.start() - 30, 0) : found.start()]
        follows = _A_NAME_FOLLOWS.search(before) or (
            kind.startswith(_OF_DATABASES) and _A_NAME_OF_THE_DATABASE_FOLLOWS.search(before)
        )
        is_name = bool(follows and _NAME.fullmatch(inner))
    return f"'{inner}'" if is_name else "<value>"


def _collapsed(text: str) -> str:
    """Lists and mappings of values are one value, however many there are."""
    for _ in range(6):
        before = text
        for pattern in _CONTAINERS:
            text = pattern.sub("<values>", text)
        if text == before:
            break
    return text


def _one_line(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return " ".join(list(dict.fromkeys(filter(None, lines)))[:MOST_LINES])[:MOST_KEPT]
