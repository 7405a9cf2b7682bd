"""Writes what the code knows into the pages of the documents: `make reference`.

A list stands between `<!-- generated: settings neural.retrieval -->` and `<!-- end -->`: what is
listed, and of which part. Names, types, defaults, levels and the like are the code's, and so are
English sentences where the code has them. All else is the page's, kept beside its name: sentences
in Chinese, links, and the order of the rows. A new name gets a row at the end, with an ellipsis for
what the page has yet to say of it.
"""

import ast
import inspect
import os
import re
import sys
import textwrap
from argparse import Action, ArgumentParser, _SubParsersAction
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any

from django.utils import translation

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- generated: (\S+) ?(\S*) -->\n\n)(.*?)(\n<!-- end -->)", re.S)
LINK = re.compile(r"\[([^\]]+)\](\([^)]+\))")
CELLS = re.compile(r"(?<!\\)\|")
CHINESE = "zh-hans"
WORDS = {"none": "无", "required": "必填", "field": "字段", "type": "类型", "default": "默认值"}
OURS = ("neural", "zhilian")
UNSAID = "…"
IN_PAGE = None
"""A cell whose text is the page's."""


class English(str):
    """A sentence of the code; a page in another language has its own."""


Rows = Mapping[tuple[str, str], tuple[Any, ...]]
"""For each name and the part it belongs to, the cells of its row after the first one."""


def local(word: str) -> str:
    return WORDS[word] if translation.get_language() == CHINESE else word


def is_ours(thing: Any) -> bool:
    """Whether it is of this repository: a test may have registered others."""
    return thing.__module__.partition(".")[0] in OURS


def sentence(docstring: str | None) -> English:
    """The first paragraph of a docstring, as Markdown."""
    first = inspect.cleandoc(docstring or UNSAID).partition("\n\n")[0]
    return English(" ".join(first.replace("``", "`").split()))


@cache
def source() -> str:
    files = (file for folder in OURS for file in sorted((ROOT / folder).rglob("*.py")))
    return "\n".join(file.read_text() for file in files)


# Settings


def settings() -> Rows:
    """Each with its type and default, and the docstring that follows it."""
    from neural.kit.conf import owners

    rows: dict[tuple[str, str], tuple[Any, ...]] = {}
    for part in filter(is_ours, dict.fromkeys(owners().values())):
        schema, texts = part.model_json_schema(), docstrings(part)
        app = part.__module__.partition(".conf")[0].removesuffix(".kit")
        for name, field in part.model_fields.items():
            default = shown(field.get_default(call_default_factory=True))
            facts = kind(schema["properties"][name], schema), default
            rows[app, name] = (*facts, sentence(texts.get(name)))
    return rows


def docstrings(part: type) -> dict[str, str]:
    """The texts that follow the fields of a class."""
    body = ast.parse(inspect.getsource(part)).body[0].body  # type: ignore[attr-defined]
    return {
        field.target.id: text.value.value
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }


def shown(default: Any) -> str:
    if not default and default is not False:
        return local("none")
    if isinstance(default, float):
        return f"{default:g}"
    return str(default) if type(default) is int else f"`{str(default).lower()}`"


LIMITS = {
    **dict.fromkeys(("minimum", "minItems", "ge"), "≥"),
    **dict.fromkeys(("maximum", "maxLength", "maxItems"), "≤"),
    "exclusiveMinimum": ">",
    "exclusiveMaximum": "<",
}


def kind(node: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """A type of JSON with its limits, those of a text or a list being its length."""
    node = resolved(node, schema)
    found = (f"{LIMITS[each]} {number:,}" for each, number in node.items() if each in LIMITS)
    limits = sorted(found, reverse=True)
    if "anyOf" in node:
        kinds = [kind(each, schema) for each in node["anyOf"] if each.get("type") != "null"]
        return " ".join([" / ".join(dict.fromkeys(kinds)), *limits])
    if "enum" in node:
        return ", ".join(f"`{each}`" for each in node["enum"] if each)
    moment = node.get("description", "").startswith("ISO 8601")
    name = "time" if moment else node.get("format") or node.get("type", "JSON")
    if name == "array":
        name = f"[{kind(node['items'], schema)}]"
    return " ".join([name, *limits])


def resolved(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = node.get("$ref", "").rpartition("/")[2]
    return schema["$defs"][name] if name else node


# Commands


def commands() -> Rows:
    """Each with its app and the docstring of its class."""
    from django.core.management import get_commands, load_command_class

    return {
        ("", name): (f"`{app}`", sentence(load_command_class(app, name).__doc__))
        for name, app in get_commands().items()
        if app.split(".")[0] in OURS
    }


def usage(name: str) -> str:
    """The arguments and options that a command has of its own."""
    from django.core.management import BaseCommand, get_commands, load_command_class

    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    everywhere = [about(each) for each in BaseCommand().create_parser("manage.py", "")._actions]
    return "\n".join(["```text", *lines(parser, ["manage.py", name], everywhere), "```", ""])


def lines(parser: ArgumentParser, start: list[str], everywhere: list[Any]) -> Iterator[str]:
    own = [each for each in parser._actions if about(each) not in everywhere]
    for verbs in (each for each in own if isinstance(each, _SubParsersAction)):
        for verb, its in verbs.choices.items():
            yield from lines(its, [*start, verb], everywhere)
        return
    words = [*start, *(option(each).replace(" ", "\xa0") for each in own)]
    text = textwrap.fill(" ".join(words), 100, subsequent_indent="    ", break_on_hyphens=False)
    yield text.replace("\xa0", " ")


def about(action: Action) -> tuple[Any, ...]:
    return action.dest, action.nargs


def option(action: Action) -> str:
    choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else None
    value = action.metavar or choices or action.dest.upper()
    words = [*sorted(action.option_strings, key=len)[-1:], *([value] if action.nargs != 0 else [])]
    text = " ".join(map(str, words)) + (" …" if action.nargs in ("*", "+") else "")
    return text if action.required and action.nargs != "*" else f"[{text}]"


# Event types and the API


def events() -> Rows:
    """Each with queue, priority and handlers."""
    from neural.events.registry import handlers_of

    return {
        ("", each.name): (
            f"`{each.queue}`, {each.priority}",
            ", ".join(
                f"`{handler.name}`"
                for handler in handlers_of(each.name)
                if is_ours(handler.function)
            )
            or "–",
            IN_PAGE,
        )
        for each in own_types()
    }


def own_types() -> list[Any]:
    from neural.events.types import event_types

    return [each for each in event_types() if is_ours(each.schema)]


def inside(field: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a field's objects, or of a list's."""
    kinds = [*field.get("anyOf", ()), field]
    return next((resolved(each.get("items", each), schema) for each in kinds), {})


def payloads(_: str) -> str:
    """A table of fields for each schema of event types, under their names."""
    by_schema: dict[Any, list[str]] = {}
    for each in own_types():
        by_schema.setdefault(each.schema, []).append(f"`{each.name}`")
    head = " | ".join(map(local, ("field", "type", "default")))
    parts = []
    for model, types in by_schema.items():
        schema = model.model_json_schema()
        rows = [f"| {' | '.join(row)} |\n" for row in fields("", schema, schema)]
        parts.append(f"### {', '.join(types)}\n\n| {head} |\n|---|---|---|\n{''.join(rows)}")
    return "\n".join(parts)


def fields(start: str, node: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, field in node.get("properties", {}).items():
        required = name in node.get("required", ())
        default = local("required") if required else shown(field.get("default"))
        yield [f"`{start}{name}`", kind(field, schema), default]
        yield from fields(f"{start}{name}[].", inside(field, schema), schema)


def endpoints() -> Rows:
    """Each with its scope and its translated summary."""
    from neural.api.openapi import operations
    from neural.api.version1 import build

    return {
        ("", re.sub(r"{\w+:", "{", each.label)): (
            ", ".join(f"`{scope}`" for scope in each.scopes) or "–",
            each.operation.summary,
        )
        for each in operations(build())
        if is_ours(each.operation.view_func)
    }


def public() -> Rows:
    """Each name that a project may import, of a package that has some."""
    from neural.kit.optional import PARTS

    packages = [import_module(name) for name in ("neural", *PARTS)]
    listed = [each for each in packages if hasattr(each, "_HOMES")]
    return {
        (each.__name__, f"{each.__name__}.{name}"): (IN_PAGE,)
        for each in listed
        for name in each.__all__
    }


# What it says


def checks() -> Rows:
    found = re.findall(r'"(neural\w*\.[EW]\d{3})"', source())
    return {("", name): (IN_PAGE, IN_PAGE) for name in sorted(found)}


def alerts() -> Rows:
    """Each rule with its thresholds."""
    from neural.monitoring.alerts.rules import RULES

    return {
        ("", name): (
            IN_PAGE,
            ", ".join(f"`{each.setting}` {each.default():g}" for each in rule.thresholds) or "–",
            IN_PAGE,
        )
        for name, rule in ((name, RULES.get(name)) for name in RULES.names())
    }


def metrics() -> Rows:
    """Each with its labels and its help."""
    from neural.monitoring.machines import counters, gauges
    from neural.retrieval import neural_metrics

    families = {"counters": [counters], "gauges": [gauges, neural_metrics]}
    return {
        (part, name): (", ".join(f"`{label}`" for label in labels), English(text))
        for part, modules in families.items()
        for module in modules
        for name, (text, labels) in module.FAMILIES.items()
    }


def logs() -> Rows:
    """Each with its levels, where they are written beside it."""
    line = r'\.(debug|info|warning|error|exception|critical)\(\s*f?"event=([a-z_]+[a-z])\b'
    levels: dict[str, dict[str, None]] = {}
    for level, name in re.findall(line, source()):
        level = level.replace("exception", "error")
        levels.setdefault(name.replace("runs_", "run_"), {})[level] = None
    return {("", name): (", ".join(levels.get(name, ())) or IN_PAGE,) for name in log_lines()}


def log_lines() -> list[str]:
    """What is logged as `event=…`: written out, or of runs that change."""
    from neural.ledger import outcome

    written = set(re.findall(r'"event=([a-z_]+[a-z])\b', source()))
    written |= set(re.findall(r'\b_log\("(alert_\w+)"', source()))
    change = r'\b(?:log_change|_change|self\._end|lines|_retry)\(\s*"(\w+)"'
    change += r'|_log(?:\(|, )\[?run\]?, "(\w+)"'
    changes = {first or second for first, second in re.findall(change, source())}
    changes |= {each for each, _ in outcome._CHANGES.values()} | {"requeued", "failed"}
    written |= {f"run_{each}" for each in changes}
    return sorted({name.replace("runs_", "run_") for name in written})


# Pages

TABLES: Mapping[str, Callable[[], Rows]] = {
    each.__name__: each
    for each in (settings, commands, events, endpoints, public, checks, alerts, metrics, logs)
}
TEXTS: Mapping[str, Callable[[str], str]] = {"usage": usage, "payloads": payloads}


def pages() -> list[Path]:
    """The pages that have something generated, in both languages."""
    return [
        page for page in sorted((ROOT / "docs").rglob("*.md")) if BLOCK.search(page.read_text())
    ]


def written(page: Path) -> str:
    """A page as the code wants it."""
    text = page.read_text()
    with translation.override(CHINESE if "zh" in page.parts else "en"):
        for what in dict.fromkeys(block[2] for block in BLOCK.finditer(text)):
            if what in TEXTS:
                text = replaced(text, what, lambda block: TEXTS[block[2]](block[3]))
            else:
                text = with_rows(text, what, TABLES[what]())
    return text


def replaced(text: str, what: str, new: Callable[[re.Match[str]], str]) -> str:
    return BLOCK.sub(lambda b: b[1] + new(b) + b[5] if b[2] == what else b[0], text)


def with_rows(text: str, what: str, rows: Rows) -> str:
    blocks = [block for block in BLOCK.finditer(text) if block[2] == what]
    last = {block[3]: block.start() for block in blocks}
    placed = {(b[3], name) for b in blocks for line in b[4].splitlines() for name in of(line)}
    if homeless := {part for part, _ in rows} - last.keys():
        raise SystemExit(f"no table `generated: {what}` is for {', '.join(sorted(homeless))}")

    def table(block: re.Match[str]) -> str:
        part = block[3]
        head, rule, *lines = block[4].splitlines()
        if last[part] == block.start():
            new = [name for of_part, name in rows if of_part == part and (part, name) not in placed]
            empty = f" {UNSAID} |" * (len(cells(head)) - 1)
            lines += [f"| `{name}` |{empty}" for name in new]
        current = (row(line, {name: rows.get((part, name)) for name in of(line)}) for line in lines)
        return "\n".join([head, rule, *filter(None, current), ""])

    return replaced(text, what, table)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in CELLS.split(line)[1:-1]]


def of(line: str) -> list[str]:
    """The names that a row is about."""
    return re.findall(r"`([^`]+)`", (cells(line) or [""])[0])


def row(line: str, named: Mapping[str, tuple[Any, ...] | None]) -> str:
    """The row with what is known of its names; empty if none of them is there any more."""
    first, *texts = cells(line)
    known = {name: list(given) for name, given in named.items() if given is not None}
    if len(known) < len(named):
        first = ", ".join(f"`{name}`" for name in known)
    columns = zip_longest(*known.values())
    texts = [cell(text, given) for text, given in zip_longest(texts, columns, fillvalue=())]
    return (
        "|" + "".join(f" {text} |" if text else " |" for text in [first, *texts]) if known else ""
    )


def cell(now: str, given: Iterable[Any]) -> str:
    kept = English if translation.get_language() == CHINESE else ()
    if not given or any(each is IN_PAGE or isinstance(each, kept) for each in given):
        return now
    text = ", ".join(dict.fromkeys(map(str, given))).replace("|", r"\|")
    for name, target in LINK.findall(now):
        text = text.replace(name, f"[{name}]{target}", 1)
    return text


def main() -> None:
    """Write the pages that are not as the code wants them."""
    for page in pages():
        if (text := written(page)) != page.read_text():
            page.write_text(text)
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zhilian.settings")
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()
    main()
