"""The readable page of the API, made from its OpenAPI document: no script, nothing from elsewhere.

It is open to everybody, as it has no data of any store.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import get_script_prefix, reverse
from django.utils import translation
from django.utils.html import conditional_escape, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI

from neural.api.reading.fields import LARGEST_KEY

DEEPEST = 4
"""How deep the fields of fields are listed."""
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
LABELS = {
    "Events": gettext_lazy("Events"),
    "Runs": gettext_lazy("Runs"),
    "Orders": gettext_lazy("orders"),
    "Stores": gettext_lazy("Stores"),
    "Search": gettext_lazy("Search"),
    "Forecasts": gettext_lazy("Forecasts"),
}
"""The names of the document's tags for people."""
MOST_KEPT = 16
"""How many pages are kept: one for each language and address under which they are asked for."""
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class FieldShown:
    """A parameter, or a field of a body or answer; ``name`` is its path, like ``lines[].price``."""

    name: str
    where: str
    kind: str
    required: bool
    text: SafeString


@dataclass(frozen=True)
class ContentShown:
    """A body or an answer of one media type."""

    media_type: str
    fields: Sequence[FieldShown]
    examples: Sequence[str]


@dataclass(frozen=True)
class AnswerShown:
    """An answer with its status."""

    status: str
    text: SafeString
    contents: Sequence[ContentShown]

    @property
    def is_problem(self) -> bool:
        """Whether it is an error."""
        return not self.status.startswith("2")


@dataclass(frozen=True)
class OperationShown:
    """An operation of the API."""

    id: str
    method: str
    path: str
    summary: str
    text: SafeString
    scope: str
    parameters: Sequence[FieldShown]
    bodies: Sequence[ContentShown]
    curl: str
    answers: Sequence[AnswerShown]


def docs_view(api: NinjaAPI) -> Callable[[HttpRequest], HttpResponse]:
    """The view of the page of an API."""

    @lru_cache(maxsize=MOST_KEPT)
    def page(language: str, server: str, script: str) -> str:
        """The page; it changes with the code alone, and takes a tenth of a second to make."""
        with translation.override(language):
            return render_to_string("neural_api/docs.html", context(api, server))

    @csrf_exempt  # it changes nothing; else another method would have 403 rather than 405
    @require_safe
    def docs(request: HttpRequest) -> HttpResponse:
        asked = request.GET.get("language", "")
        language = asked if asked in dict(settings.LANGUAGES) else translation.get_language()
        server = request.build_absolute_uri("/").rstrip("/")
        response = HttpResponse(page(language, server, get_script_prefix()))
        response["Content-Security-Policy"] = POLICY
        response["Content-Language"] = language or settings.LANGUAGE_CODE
        return response

    docs.login_required = False  # type: ignore[attr-defined]  # for LoginRequiredMiddleware
    return docs


def context(api: NinjaAPI, server: str) -> dict[str, Any]:
    """What the page shows, for readers who call the API at ``server``."""
    document = api.get_openapi_schema()
    reader = _Reader(document, server)
    current = translation.get_language()
    return {
        "title": document["info"]["title"],
        "version": document["info"]["version"],
        "about": prose(document["info"]["description"]),
        "key": prose(document["components"]["securitySchemes"]["ApiKey"]["description"]),
        "sections": reader.sections(),
        "problem": _pretty(reader.problem()),
        "document_address": reverse(f"{api.urls_namespace}:openapi-json"),
        "language": current,
        "languages": [
            (code, translation.get_language_info(code)["name_local"], code == current)
            for code, _name in settings.LANGUAGES
        ],
    }


def prose(text: str) -> SafeString:
    """A description as HTML: paragraphs, and code between backticks."""
    paragraphs = [each.replace("\n", " ") for each in re.split(r"\n\s*\n", text.strip())]
    return format_html_join("\n", "<p>{}</p>", ((_inline(each),) for each in paragraphs if each))


def _inline(text: str) -> SafeString:
    return mark_safe(_CODE.sub(r"<code>\1</code>", conditional_escape(text)))  # noqa: S308 (escaped)


@dataclass(frozen=True)
class _Reader:
    document: dict[str, Any]
    server: str

    def sections(self) -> list[dict[str, Any]]:
        """The operations by tag, in the order of the document."""
        shown: dict[str, list[OperationShown]] = {}
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                tag = (operation.get("tags") or [""])[0]
                shown.setdefault(tag, []).append(self._operation(method, path, operation))
        return [
            {
                "name": LABELS.get(tag["name"], tag["name"]),
                "id": f"tag-{tag['name'].lower()}",
                "text": prose(tag["description"]),
                "operations": shown[tag["name"]],
            }
            for tag in self.document["tags"]
        ]

    def problem(self) -> Any:
        """The example of a problem that names a field."""
        answer = self.document["components"]["responses"]["UnprocessableEntity"]
        return answer["content"]["application/problem+json"]["example"]

    def _operation(self, method: str, path: str, operation: dict[str, Any]) -> OperationShown:
        scopes = [
            name for need in operation.get("security", ()) for name in next(iter(need.values()))
        ]
        answers = [self._answer(status, each) for status, each in operation["responses"].items()]
        return OperationShown(
            id=operation["operationId"],
            method=method.upper(),
            path=path,
            summary=operation["summary"],
            text=prose(operation.get("description", "")),
            scope=", ".join(scopes),
            parameters=[_parameter(each) for each in operation["parameters"]],
            bodies=self._contents(operation.get("requestBody", {})),
            curl=self._curl(method, path, operation),
            answers=answers,
        )

    def _answer(self, status: str, response: dict[str, Any]) -> AnswerShown:
        found = self._resolved(response)
        is_problem = not status.startswith("2")
        contents = [] if is_problem else self._contents(found)
        return AnswerShown(status, _inline(found["description"]), contents)

    def _contents(self, holder: dict[str, Any]) -> list[ContentShown]:
        return [
            ContentShown(
                media_type=media_type,
                fields=list(self._fields(content.get("schema", {}), "", DEEPEST)),
                examples=[_pretty(each) for each in _examples(content)],
            )
            for media_type, content in holder.get("content", {}).items()
        ]

    def _fields(self, schema: dict[str, Any], prefix: str, depth: int) -> Iterator[FieldShown]:
        found = self._main(schema)
        if found.get("type") == "array":
            yield from self._fields(found.get("items", {}), f"{prefix}[]", depth)
            return
        for name, each in found.get("properties", {}).items():
            path = f"{prefix}.{name}" if prefix else name
            inner = self._main(each)
            yield FieldShown(
                name=path,
                where="",
                kind=_kind(each, inner),
                required=name in found.get("required", ()),
                text=_inline(each.get("description", "")),
            )
            if depth > 1:
                yield from self._fields(each, path, depth - 1)

    def _main(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema of a value that is not null, with its reference resolved."""
        found = self._resolved(schema)
        kinds = [each for each in found.get("anyOf", ()) if each.get("type") != "null"]
        return self._resolved(kinds[0]) if len(kinds) == 1 else found

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            found: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node

    def _curl(self, method: str, path: str, operation: dict[str, Any]) -> str:
        """A line for a terminal that sends the example."""
        query = []
        for each in operation["parameters"]:
            example = each.get("example", "")
            if each["in"] == "path":
                path = path.replace(f"{{{each['name']}}}", quote(str(example or "…"), safe=""))
            elif each["in"] == "query" and each["required"]:
                query.append((each["name"], example))
        address = self.server + path + (f"?{urlencode(query)}" if query else "")
        parts = ["curl"] if method == "get" else ["curl", "-X", method.upper()]
        words = [shlex.quote(part) for part in parts]
        words += ['-H "Authorization: Bearer $KEY"', shlex.quote(address)]
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            example = next(iter(_examples(content)), None)
            sent = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)
            words += ["-H", shlex.quote(f"Content-Type: {media_type}"), "--data-binary"]
            words += [shlex.quote(sent)]
            break
        return " ".join(words)


def _examples(content: dict[str, Any]) -> list[Any]:
    if "example" in content:
        return [content["example"]]
    return [each["value"] for each in content.get("examples", {}).values() if "value" in each]


def _pretty(example: Any) -> str:
    if isinstance(example, str):
        return example
    return json.dumps(example, ensure_ascii=False, indent=2)


def _parameter(parameter: dict[str, Any]) -> FieldShown:
    schema = parameter["schema"]
    return FieldShown(
        name=parameter["name"],
        where={"path": _("in the path"), "query": _("in the query")}.get(
            parameter["in"], _("as a header")
        ),
        kind=_kind(schema, schema),
        required=parameter["required"],
        text=_inline(parameter.get("description", "")),
    )


def _kind(schema: dict[str, Any], main: dict[str, Any]) -> str:
    """The type of a value in words, with its limits."""
    if "enum" in main:
        return " | ".join(str(each) for each in main["enum"])
    kind = main.get("format") or main.get("type") or ("object" if "$ref" in main else "any")
    if kind == "array":
        inner = main.get("items", {})
        kind = f"array of {_kind(inner, inner)}"
    parts = [str(kind)]
    if "minimum" in main or "maximum" in main:
        least, most = main.get("minimum"), main.get("maximum")
        # Up to the largest key of a row is no bound that anybody needs to know.
        has_most = most is not None and most < LARGEST_KEY
        parts.append(f"{least or 0}–{most}" if has_most else f"≥ {least}")
    if "maxLength" in main:
        parts.append(f"≤ {main['maxLength']}")
    if any(each.get("type") == "null" for each in schema.get("anyOf", ())):
        parts.append("null")
    return " · ".join(parts)
