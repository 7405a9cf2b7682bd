"""The OpenAPI document: every operation is documented, and every example is valid."""

import json
import shutil
import subprocess
import sys

import jsonschema_rs
import pytest
from django.test import Client

from neural.api.openapi import PROBLEMS
from neural.events.types import event_types
from neural.models import RunState
from tests.unit.api.test_api_advice import SUPERSEDED

pytestmark = pytest.mark.django_db
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


@pytest.fixture
def document():
    response = Client().get("/api/v1/openapi.json")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("application/json")
    return response.json()


def operations(document):
    """Every operation with its method and path."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert method in METHODS
            yield f"{method} {path}", operation


def resolved(document, node):
    """What a reference refers to, or the node itself."""
    while isinstance(node, dict) and "$ref" in node:
        assert node["$ref"].startswith("#/")
        found = document
        for part in node["$ref"][2:].split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        node = found
    return node


def every_node(node):
    yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from every_node(child)


def check(document, schema, example):
    """Hold an example to a schema of the document."""
    whole = {**schema, "components": document["components"]}
    validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    found = [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(example)]
    assert not found, (found, example)


def examples_of(content):
    yield from [content["example"]] if "example" in content else []
    yield from (each["value"] for each in content.get("examples", {}).values())


def test_it_is_openapi_3_1_0_with_all_that_a_reader_needs(document):
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"] == "Zhilian Neural"
    assert len(document["info"]["description"]) > 100
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    assert [server["url"] for server in document["servers"]] == ["/"]
    assert document["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"


def test_it_is_valid_by_the_specification(document):
    """By the structure that OpenAPI 3.1 demands of what this document uses."""
    assert set(document) <= {"openapi", "info", "servers", "paths", "components", "tags"}
    for _, operation in operations(document):
        for parameter in operation["parameters"]:
            assert parameter["in"] in ("path", "query", "header")
            assert parameter["required"] or parameter["in"] != "path"
            assert not isinstance(parameter.get("examples"), list)
        for response in operation["responses"].values():
            assert resolved(document, response)["description"]
    for name, schema in document["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        ), name


def test_every_reference_can_be_resolved(document):
    references = [
        node for node in every_node(document) if isinstance(node, dict) and "$ref" in node
    ]

    assert len(references) > 50
    assert all(resolved(document, node) is not None for node in references)


def test_every_operation_has_a_name_a_summary_a_description_a_tag_and_a_scope(document):
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    names = []
    for label, operation in operations(document):
        names.append(operation["operationId"])
        assert operation["summary"], label
        assert len(operation["description"]) > 30, label
        assert set(operation["tags"]) <= tags, label
        ((scheme, scopes),) = operation["security"][0].items()
        assert scheme == "ApiKey", label
        assert scopes, label
    assert len(set(names)) == len(names)


def test_the_names_of_operations_stay(document):
    """Generated clients call them."""
    names = {operation["operationId"] for _, operation in operations(document)}

    assert names >= {
        *("list_events", "read_event", "retry_event", "read_run", "retry_runs", "list_stores"),
        *("read_order", "read_day", "search", "list_forecasts"),
    }


def test_every_parameter_is_described(document):
    for label, operation in operations(document):
        for parameter in operation["parameters"]:
            assert parameter.get("description"), (label, parameter["name"])
            assert (
                "default" not in parameter["schema"] or parameter["schema"]["default"] is not None
            )


def test_every_operation_says_which_problems_it_answers(document):
    for label, operation in operations(document):
        assert {"400", "401", "403", "422", "429", "503"} <= set(operation["responses"]), label
        if "{" in label:
            assert "404" in operation["responses"], label
        for status, response in operation["responses"].items():
            if not status.startswith("2"):
                content = resolved(document, response)["content"]
                assert list(content) == ["application/problem+json"], label


def test_every_answer_and_every_body_has_an_example(document):
    for label, operation in operations(document):
        holders = [resolved(document, each) for each in operation["responses"].values()]
        holders += [operation["requestBody"]] if "requestBody" in operation else []
        for holder in holders:
            assert holder["content"], label
            for kind, content in holder["content"].items():
                assert list(examples_of(content)), (label, kind, holder.get("description"))


def test_every_example_is_valid_by_its_own_schema(document):
    checked = 0
    for node in every_node(document):
        if isinstance(node, dict) and isinstance(node.get("schema"), dict):
            for example in examples_of(node):
                check(document, node["schema"], example)
                checked += 1
    for schema in document["components"]["schemas"].values():
        for example in schema.get("examples", ()):
            check(document, schema, example)
            checked += 1
    assert checked > 60


def test_an_example_that_were_wrong_would_be_found(document):
    with pytest.raises(AssertionError):
        check(document, {"$ref": "#/components/schemas/RunsRetried"}, {"retried": "many"})


def test_every_kind_of_problem_is_documented_once(document):
    problems = document["components"]["responses"].values()

    statuses = {
        each["content"]["application/problem+json"]["example"]["status"] for each in problems
    }
    assert statuses == set(PROBLEMS)
    assert {401, 403, 404, 409, 413, 415, 422, 429, 503} <= statuses


def test_answers_name_the_rate_limit_and_problems_the_time_to_wait(document):
    headers = document["components"]["responses"]["TooManyRequests"]["headers"]

    assert list(headers) == ["Retry-After"]
    for label, operation in operations(document):
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                assert {"RateLimit", "RateLimit-Policy"} <= set(response["headers"]), label


def test_summaries_are_in_the_language_of_the_reader(settings):
    english, chinese = (
        Client().get("/api/v1/openapi.json", headers={"accept-language": language}).json()
        for language in ("en", "zh-hans")
    )

    def facts(document):
        return {label: sorted(operation) for label, operation in operations(document)}

    assert facts(english) == facts(chinese)
    assert english["paths"]["/api/v1/events"]["get"]["summary"] == "List events"


def test_it_has_no_private_types(document):
    text = json.dumps(document)

    assert "__" not in text
    assert "/work" not in text


# Typed payloads


def properties_of(document, name):
    return document["components"]["schemas"][name]["properties"]


def event_of(kind, payload):
    return {"type": kind, "store": "S1", "source": "till", "event_id": "1", "payload": payload}


def test_each_event_type_has_a_schema_that_its_name_leads_to(document):
    event = document["components"]["schemas"]["Event"]
    mapping = event["discriminator"]["mapping"]

    assert event["discriminator"]["propertyName"] == "type"
    assert sorted(mapping) == [kind.name for kind in event_types()]
    assert [each["$ref"] for each in event["oneOf"]] == list(mapping.values())
    for kind in event_types():
        of_type = resolved(document, {"$ref": mapping[kind.name]})["properties"]
        assert of_type["type"]["const"] == kind.name
        payload = resolved(document, of_type["payload"])
        assert sorted(payload["properties"]) == sorted(kind.schema.model_fields)


def test_a_cloudevent_has_the_payloads_of_all_types(document):
    data = properties_of(document, "CloudEvent")["data"]["anyOf"]

    assert {"$ref": "#/components/schemas/OrderStated"} in data
    assert len(data) == len({kind.schema for kind in event_types()}) + 1
    assert data[-1] == {"type": "null"}


@pytest.mark.parametrize("kind", SUPERSEDED)
def test_what_is_accepted_is_valid_by_the_document(document, kind):
    check(document, {"$ref": "#/components/schemas/Event"}, event_of(kind, SUPERSEDED[kind]))


def test_a_time_without_a_zone_is_valid_by_the_document_as_it_is_accepted(document):
    shift = {**SUPERSEDED["staff.scheduled"], "starts_at": "2026-03-01T09:00:00"}
    payload = {**shift, "ends_at": "2026-03-01T17:00:00"}

    check(document, {"$ref": "#/components/schemas/Event"}, event_of("staff.scheduled", payload))


@pytest.mark.parametrize(
    ("kind", "payload"),
    [("order.stated", {}), ("order.stated", {"order_id": "1", "lines": [{}]}), ("order.stted", {})],
)
def test_what_is_refused_is_not_valid_by_the_document(document, kind, payload):
    with pytest.raises(AssertionError):
        check(document, {"$ref": "#/components/schemas/Event"}, event_of(kind, payload))


def test_no_two_models_are_the_same(document):
    """Objects with fields are components; generators make a class of each other one, too."""
    schemas = document["components"]["schemas"]
    texts = [json.dumps({**each, "title": ""}, sort_keys=True) for each in schemas.values()]
    titled = {each.get("title") for each in schemas.values()}
    inner = [each for schema in schemas.values() for each in list(every_node(schema))[1:]]
    in_paths = list(every_node(document["paths"]))
    inline = [
        each["title"]
        for each in (*inner, *in_paths)
        if isinstance(each, dict) and isinstance(each.get("properties"), dict) and "title" in each
    ]

    assert len(set(texts)) == len(texts)
    assert not titled & set(inline)
    assert not inline


def test_an_enumeration_of_several_fields_is_a_model_of_its_own(document):
    schemas = document["components"]["schemas"]
    enums = [
        tuple(node["enum"])
        for node in (*every_node(schemas), *every_node(document["paths"]))
        if isinstance(node, dict) and node.get("type") == "string" and "enum" in node
    ]

    assert len(set(enums)) == len(enums)
    assert schemas["RunState"]["enum"] == RunState.values
    state = properties_of(document, "RunOfEvent")["state"]
    assert state["allOf"] == [{"$ref": "#/components/schemas/RunState"}]


def test_every_schema_is_used(document):
    used = {
        node["$ref"]
        for node in every_node(document)
        if isinstance(node, dict) and isinstance(node.get("$ref"), str)
    }

    assert {f"#/components/schemas/{name}" for name in document["components"]["schemas"]} <= used


GENERATOR = shutil.which("openapi-python-client")
USE = """
import json
from client.models import OrderStated, OrderStatedEvent, StatedLine
line = StatedLine(name="noodles", quantity="1", price="9")
payload = OrderStated(order_id="17", lines=[line])
event = OrderStatedEvent(
    type_="order.stated", store="S1", source="till", event_id="1", payload=payload
)
print(json.dumps(event.to_dict()))
"""


@pytest.mark.skipif(GENERATOR is None, reason="openapi-python-client is not installed")
def test_a_generated_client_has_typed_payloads(document, tmp_path):
    """By the generator's own Python, which has what its clients need."""
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document))
    command = [GENERATOR, "generate", "--path", file, "--meta", "none", "--output-path"]
    subprocess.run([*command, tmp_path / "client"], check=True, capture_output=True)

    names = [each.stem for each in (tmp_path / "client/models").glob("*.py")]
    python = shutil.which("python", path=str(GENERATOR).rpartition("/")[0]) or sys.executable
    used = subprocess.run([python, "-c", USE], cwd=tmp_path, capture_output=True, text=True)
    sent = json.loads(used.stdout)
    assert sent["payload"]["lines"][0]["name"] == "noodles"
    check(document, {"$ref": "#/components/schemas/Event"}, sent)
    assert not [name for name in names if "neural_api" in name or name.endswith(("_1", "_2"))]
