"""Hooks of MkDocs: the site's navigation is that of the maps, and links to the code are names.

docs/README.md and docs/zh/README.md list every page under a heading. Pages link to tests, to
deploy/ and other files that the site does not have; there they stand as names.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_PAGE = re.compile(r"^- \[(.+?)\]\((\S+?\.md)\)", re.MULTILINE)
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)\s:#]+)(?:#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """The navigation: the map of each language, and its pages by kind."""
    docs = Path(config["docs_dir"])
    config["nav"] = [*_map(docs, ""), {"中文": _map(docs, "zh/")}]
    return config


def _map(docs: Path, tree: str) -> list[Any]:
    text = (docs / tree / "README.md").read_text()
    _, *parts = _SECTION.split(text)
    kinds = [
        {heading.split(":")[0].split("：")[0]: [{t: f"{tree}{p}"} for t, p in pages]}
        for heading, body in zip(parts[::2], parts[1::2], strict=True)
        if (pages := _PAGE.findall(body))
    ]
    return [f"{tree}README.md", *kinds, *([] if tree else [{"Decisions": _decisions(docs)}])]


def _decisions(docs: Path) -> list[str]:
    folder = docs / "decisions"
    own = sorted(f"decisions/{page.name}" for page in folder.glob("0*.md"))
    return ["decisions/README.md", *own]


def on_page_markdown(markdown: str, page: Any, **_given: Any) -> str:
    """The page without links that leave the site."""
    folder = posixpath.dirname(page.file.src_uri)

    def shown(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", folder, link["target"]))
        if target.startswith("docs/") and not target.startswith("docs/example"):
            return link[0]
        name = link["text"].strip("`")
        return f"`{target}`" if name == target else f"{link['text']} (`{target}`)"

    return _LINK.sub(shown, markdown)
