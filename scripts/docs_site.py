"""Builds the site of the documents into var/site, Chinese pages into var/site/zh: `make docs`.

A copy of each language's pages is made for Zensical, in which links lead on as far as the site
goes: those to the other language become addresses, and those to tests, to deploy/ and other files
that the site does not have become names. README.md lists every page under a heading; that is the
navigation. The switch of languages leads to the same page.
"""

import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TREES = {"en": "docs", "zh": "docs/zh"}
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_PAGE = re.compile(r"^- \[(.+?)\]\((\S+?\.md)\)", re.MULTILINE)
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)\s:#]+)(?P<anchor>#[^)\s]*)?\)")
_SWITCH = re.compile(r"^\[(?:中文|English)\]\(\S+\)\n\n", re.MULTILINE)
"""The line by which a page leads to its other language on GitHub."""


def main(var: Path = ROOT / "var") -> None:
    """Build the site in this directory; raises if a link leads nowhere."""
    shutil.rmtree(var / "docs", ignore_errors=True)
    for language, folder in (("en", var / "site"), ("zh", var / "site" / "zh")):
        tree = var / "docs" / language
        for source in sources(language):
            page = tree / source
            page.parent.mkdir(parents=True, exist_ok=True)
            original = ROOT / TREES[language] / source
            if source.endswith(".md"):
                page.write_text(text_of(language, source, original.read_text()))
            else:
                shutil.copy(original, page)
        config = var / f"docs.{language}.yml"
        config.write_text(json.dumps(settings(language, tree, folder, var), ensure_ascii=False))
        build = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "-f", config]
        subprocess.run(build, check=True)
        for page in folder.rglob("*.html"):
            if language == "zh" or folder / "zh" not in page.parents:
                page.write_text(switching(language, page.relative_to(folder), page.read_text()))


def sources(language: str) -> Iterator[str]:
    """The files of a language's pages, relative to its tree."""
    tree = ROOT / TREES[language]
    apart = [tree / "example"] + [tree / "zh"] * (language == "en")
    for file in sorted(tree.rglob("*")):
        if file.is_file() and not any(each in file.parents for each in apart):
            yield file.relative_to(tree).as_posix()


def settings(language: str, tree: Path, site: Path, var: Path) -> dict[str, Any]:
    """What mkdocs.yml leaves open. The navigation: the map, its pages by kind, the decisions."""
    _, *parts = _SECTION.split((tree / "README.md").read_text())
    names = [heading.split(":")[0].split("：")[0] for heading in parts[::2]]
    kinds = [
        {name: [{title: page} for title, page in pages]}
        for name, body in zip(names, parts[1::2], strict=True)
        if (pages := _PAGE.findall(body))
    ]
    decisions = sorted(f"decisions/{page.name}" for page in (tree / "decisions").glob("0*.md"))
    return {
        "INHERIT": os.path.relpath(ROOT / "mkdocs.yml", var),
        "docs_dir": tree.relative_to(var).as_posix(),
        "site_dir": site.relative_to(var).as_posix(),
        "theme": {"language": language},
        "nav": ["README.md", *kinds, {names[-1]: ["decisions/README.md", *decisions]}],
    }


def text_of(language: str, source: str, text: str) -> str:
    """A page without the line of languages and without links that leave the site."""
    tree = TREES[language]
    folder = posixpath.dirname(posixpath.join(tree, source))

    def shown(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link["target"]))
        if not target.startswith("docs/") or target.startswith("docs/example"):
            name = link["text"].strip("`")
            return f"`{target}`" if name == target else f"{link['text']} (`{target}`)"
        if target.startswith("docs/zh/") == (language == "zh"):
            return link[0]
        address = address_of(posixpath.relpath(target, folder)) + (link["anchor"] or "")
        return f'<a href="{address}">{link["text"]}</a>'

    return _LINK.sub(shown, _SWITCH.sub("", text, count=1))


def switching(language: str, page: Path, html: str) -> str:
    """A built page whose switch of languages leads to the same page of the other."""
    source = page.with_suffix(".md").as_posix().replace("index.md", "README.md")
    here = posixpath.join("zh" * (language == "zh"), page.parent)
    for other, tree in TREES.items():
        to = source if (ROOT / tree / source).exists() else "README.md"
        there = posixpath.join("zh" * (other == "zh"), address_of(to))
        address = posixpath.relpath(there, here)
        html = html.replace(f'href="#language-{other}"', f'href="{address}"')
    return html


def address_of(source: str) -> str:
    """The address of a page by its file."""
    folder, name = posixpath.split(source)
    return posixpath.join(folder, "index.html" if name == "README.md" else f"{name[:-3]}.html")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
