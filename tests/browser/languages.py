"""Whether a text on a page is in the language of its reader."""

import re

import polib

from tests.integration.cluster import ROOT

SENTENCE = re.compile(r"[A-Za-z]{2,}(?: [a-z]{2,}){2}")
"""Three words one after another."""
FOREIGN = re.compile(r"No such file or directory|systemctl start redis-server")
"""What the system says, and what people type."""


def is_english(text: str) -> bool:
    return bool(SENTENCE.search(FOREIGN.sub("", text)))


def untranslated() -> set[str]:
    """The texts of ours whose Chinese is another text."""
    files = [*ROOT.glob("neural/**/zh_Hans/**/django.po"), *ROOT.glob("zhilian/**/zh_*/**/*.po")]
    texts = (each for file in files for each in polib.pofile(str(file)) if each.msgstr)
    return {each.msgid for each in texts if each.msgid != each.msgstr}
