"""The OpenAPI 3.1 document: what django-ninja writes, completed.

Every operation says which scope it needs, which problems it answers and which headers it sends. The
examples of schemas become the examples of requests and answers.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.utils.translation import gettext_lazy as _
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.responses import NinjaJSONEncoder

from neural.api.access import KeyWith, NoKeyOpens
from neural.api.problems import CONTENT_TYPE

KEY = "ApiKey"
LICENSE = {"name": "Apache 2.0", "identifier": "Apache-2.0"}
TAGS = {
    "Events": _("Submit events of stores, and read what became of them."),
    "Runs": _("The work that events cause: read it, and retry what has failed."),
    "Orders": _("Orders as their newest events state them."),
    "Stores": _("The stores of the key."),
    "Search": _("Find records by names, words, sound and meaning."),
    "Forecasts": _("What a store will sell on the next days."),
}
DESCRIPTION = _(
    "Stores send what happens, and every event is recorded before it is answered: accepted means "
    "committed. All else is read from the same records. A key sees and writes the rows of its own "
    "stores only; a row of another store looks as if it did not exist. Times are ISO 8601 in UTC, "
    "and amounts of money are decimal strings. Errors are problem details (RFC 9457) that name "
    "each field and reason."
)
KEY_DESCRIPTION = _(
    "A key as `Authorization: Bearer zn_…`, or in the header `X-Api-Key`. Keys are made in the "
    "admin or with `manage.py api_key`. Each has scopes and stores."
)
PROBLEMS = {
    400: _("The request cannot be read."),
    401: _("There is no valid key."),
    403: _("The key does not have the scope, or not the store."),
    404: _("There is no such row in the stores of the key."),
    408: _("The body took too long."),
    409: _("What was recorded stands in the way."),
    413: _("The body is too large."),
    415: _("The body is of a type that is not read here."),
    422: _("A parameter or a field is missing or wrong."),
    429: _("The key sends too much. Wait for as long as Retry-After says."),
    503: _("Something that is needed cannot be reached just now. Try again later."),
}
# 400 also without a body: there may be more parameters in the query than Django reads.
ALWAYS = (400, 401, 403, 422, 429, 503)
OF_A_PATH = (404,)
OF_A_BODY = (413,)


def answers(*statuses: int) -> dict[str, Any]:
    """For ``openapi_extra``: problems that an operation answers besides the usual ones."""
    return {"responses": {str(status): _answer(status) for status in statuses}}


class Document(OpenAPISchema):
    """The document of an API, with further ``components`` that its operations refer to."""

    def __init__(self, api: Any, path_prefix: str, components: Mapping[str, Any]) -> None:
        super().__init__(api, path_prefix)
        self["info"] |= {"description": DESCRIPTION, "license": LICENSE}
        self["servers"] = [{"url": "/", "description": _("This server")}]
        self["tags"] = [{"name": name, "description": TAGS[name]} for name in self._tags()]
        self["components"] |= {
            "responses": {_name(status): _problem(status) for status in PROBLEMS},
            "headers": HEADERS,
        }
        schemas = self["components"]["schemas"]
        schemas |= {"Problem": PROBLEM, **components}
        used = _referred_to([self["paths"], self["components"]["responses"]], schemas)
        self["components"]["schemas"] = {name: schemas[name] for name in sorted(used)}
        self.update(json.loads(json.dumps(self, cls=NinjaJSONEncoder)))
        self._share_enumerations(self["components"]["schemas"])
        for operation in self.operations():
            _complete(operation, self["components"]["schemas"])

    def _share_enumerations(self, schemas: dict[str, Any]) -> None:
        """Make a component of each enumeration that several fields have: generators make a class
        of each one that they find. It has the shortest of the names that they would give it."""
        found: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
        for name, node in self._enumerations(schemas):
            found.setdefault(tuple(node["enum"]), {})[name] = node
        for codes, nodes in found.items():
            name = min(nodes, key=len)
            if len(nodes) > 1 and name not in schemas:
                schemas[name] = {"title": name, "type": "string", "enum": list(codes)}
                for node in nodes.values():
                    del node["enum"], node["type"]
                    node["allOf"] = [{"$ref": f"#/components/schemas/{name}"}]

    def _enumerations(self, schemas: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        fields = [
            (f"{owner}_{name}", part)
            for owner, schema in schemas.items()
            for name, part in schema.get("properties", {}).items()
        ]
        fields += [
            (f"{each['operationId']}_{parameter['name']}", parameter["schema"])
            for each in self.operations()
            for parameter in each["parameters"]
        ]
        for name, part in fields:
            for node in (part, *part.get("anyOf", ())):
                if node.get("type") == "string" and "enum" in node:
                    yield "".join(word[:1].upper() + word[1:] for word in name.split("_")), node

    def operations(self) -> Iterator[dict[str, Any]]:
        """Every operation."""
        for methods in self["paths"].values():
            yield from methods.values()

    def operation_security(self, operation: Operation) -> Any:
        """The key and the scope that an operation needs."""
        scopes = [each.scope for each in operation.auth_callbacks if hasattr(each, "scope")]
        if not scopes:
            return None
        self.securitySchemes[KEY] = {
            "type": "http",
            "scheme": "bearer",
            "description": KEY_DESCRIPTION,
        }
        return [{KEY: scopes}]

    def _tags(self) -> Iterable[str]:
        used = {name for operation in self.operations() for name in operation.get("tags", ())}
        return [name for name in TAGS if name in used]


PROBLEM = {
    "title": "Problem",
    "type": "object",
    "description": "Problem details of RFC 9457.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": "A URI of the kind of problem."},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, and what to do."},
        "errors": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/FieldProblem"},
        },
    },
}
HEADERS = {
    "RateLimit-Policy": {
        "description": "How many requests and events the key may send, in how many seconds.",
        "schema": {"type": "string"},
        "example": '"key";q=10000;w=50',
    },
    "RateLimit": {
        "description": "How many are left.",
        "schema": {"type": "string"},
        "example": '"key";r=9999;t=1',
    },
    "Retry-After": {
        "description": "After how many seconds to try again.",
        "schema": {"type": "integer"},
        "example": 3,
    },
    "Link": {
        "description": 'The next page, as `<address>; rel="next"`.',
        "schema": {"type": "string"},
        "example": '</api/v1/events?cursor=ZXZlbnRzOjQ3MTE>; rel="next"',
    },
}


def _referred_to(node: Any, schemas: Mapping[str, Any]) -> set[str]:
    """The names of the schemas that are referred to. django-ninja writes those of parameters, too,
    from which generators would make models that nothing uses."""
    found: set[str] = set()
    nodes = [node]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).rpartition("#/components/schemas/")[2]
            if name in schemas.keys() - found:
                found.add(name)
                nodes.append(schemas[name])
        if isinstance(node, dict | list):
            nodes += node.values() if isinstance(node, dict) else node
    return found


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.title().replace(" ", "")


def _answer(status: int) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{_name(status)}"}


def _problem(status: int) -> dict[str, Any]:
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": _example(status)}
    response: dict[str, Any] = {
        "description": PROBLEMS[status],
        "content": {CONTENT_TYPE: content},
    }
    if status in (429, 503):
        response["headers"] = _headers("Retry-After")
    return response


def _example(status: int) -> dict[str, Any]:
    example = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return {**example, "errors": [{"field": "query.limit", "reason": "is at most 100"}]}
    return {**example, "detail": PROBLEMS[status]}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _complete(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Add what django-ninja does not write: problems, examples and headers."""
    for parameter in operation["parameters"]:
        _complete_parameter(parameter)
    statuses = list(ALWAYS) if "security" in operation else []
    if any(each["in"] == "path" for each in operation["parameters"]):
        statuses += OF_A_PATH
    if body := operation.get("requestBody"):
        statuses += OF_A_BODY
        _add_examples(body, schemas)
    responses = operation["responses"]
    for status, response in responses.items():
        _add_examples(response, schemas)
        for content in response.get("content", {}).values() if status[0] in "45" else ():
            content.setdefault("example", _example(int(status)))
    for status in statuses:
        responses.setdefault(str(status), _answer(status))
    if "security" in operation:
        names = ["RateLimit", "RateLimit-Policy"]
        names += ["Link"] if any(p["name"] == "cursor" for p in operation["parameters"]) else []
        for status, response in responses.items():
            if status.startswith("2"):
                response["headers"] = {**_headers(*names), **response.get("headers", {})}
    operation["responses"] = dict(sorted(responses.items()))


def _complete_parameter(parameter: dict[str, Any]) -> None:
    """A parameter is left out rather than null, and its example is one."""
    schema = parameter["schema"]
    if schema.get("default", ...) is None:
        del schema["default"]
    kinds = [each for each in schema.pop("anyOf", ()) if each != {"type": "null"}]
    if len(kinds) == 1:
        schema.update({**kinds[0], **schema})
    elif kinds:
        schema["anyOf"] = kinds
    schema.pop("title", None)
    examples = schema.pop("examples", None) or schema.get("items", {}).get("examples")
    parameter.pop("examples", None)
    if schema.pop("description", None) is None and "description" not in parameter:
        parameter["description"] = ""
    if examples:
        parameter["example"] = [examples[0]] if schema.get("type") == "array" else examples[0]


def _add_examples(holder: dict[str, Any], schemas: dict[str, Any]) -> None:
    for content in holder.get("content", {}).values():
        if "example" not in content and "examples" not in content:
            content["example"] = _example_of(content.get("schema", {}), schemas)


def _example_of(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """The schema's own example, or one put together from those of its parts."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return _example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if kinds := schema.get("anyOf") or schema.get("allOf"):
        return _example_of(kinds[0], schemas)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        parts = schema.get("properties", {})
        return {name: _example_of(part, schemas) for name, part in parts.items()}
    if kind == "array":
        return [_example_of(schema.get("items", {}), schemas)]
    return {"string": "", "integer": 1, "number": 1.5, "boolean": False}.get(str(kind))


@dataclass(frozen=True)
class ApiOperation:
    """One method of one path. ``path`` has parameters in braces, like ``/events/{id}``."""

    method: str
    path: str
    operation: Any
    """django-ninja's operation: its function, its parameters and what checks who calls."""

    @property
    def label(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"

    @property
    def function(self) -> str:
        """The function that answers it, with its module."""
        view = self.operation.view_func
        return f"{view.__module__}.{view.__name__}"

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes of which it requires one; empty if no key is asked for."""
        found = [each for each in self.operation.auth_callbacks if isinstance(each, KeyWith)]
        return frozenset(str(each.scope) for each in found)


def operations(api: NinjaAPI) -> Iterator[ApiOperation]:
    """Every operation of every router, nested ones too."""
    for bound in api._get_bound_routers():
        for path, view in bound.path_operations.items():
            whole = "/" + "/".join(part.strip("/") for part in (bound.prefix, path) if part)
            for operation in view.operations:
                for method in operation.methods:
                    yield ApiOperation(method, whole.replace("//", "/"), operation)


def closed(operation: ApiOperation) -> bool:
    """Whether no key opens it, because its author named no scope."""
    return any(isinstance(each, NoKeyOpens) for each in operation.operation.auth_callbacks)
