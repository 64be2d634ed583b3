import pytest

from services.cells import as_text


@pytest.mark.parametrize("text", ["plain", "", "-5.2", "+1 000,50", "-12%", "3=3"])
def test_what_is_no_formula_stays(text):
    assert as_text(text) == text


@pytest.mark.parametrize(
    "text", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "＝1", "\t=1", "-", "- a point"]
)
def test_what_would_be_one_is_text(text):
    assert as_text(text) == "'" + text
