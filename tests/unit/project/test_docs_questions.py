"""What strangers ask is answered in two steps: a page of the map, a heading of the page."""

import tomllib
from pathlib import Path

import pytest

from tests.unit.project.test_docs import ROOT, anchors, links

MAP = ROOT / "docs" / "README.md"
ASKED = tomllib.loads(Path(__file__).with_name("questions.toml").read_text())
ANSWERS = {question: place for asked in ASKED.values() for question, place in asked.items()}


@pytest.mark.parametrize("question", ANSWERS)
def test_the_map_leads_to_the_page_and_the_page_has_the_heading_that_answers(question):
    page, _, heading = ANSWERS[question].partition("#")

    assert page in {link.partition("#")[0] for link in links(MAP)}
    assert heading in anchors(MAP.parent / page)
