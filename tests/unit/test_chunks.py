from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.library.chunks import CHUNK_TOKENS, OVERLAP_TOKENS, chunk


def count(texts: list[str]) -> list[int]:
    """A token a word; a word of more than ten letters is one per ten."""
    return [sum(-(-len(word) // 10) for word in text.split()) for text in texts]


def document(*pages: str, outline: tuple[tuple[str, int, int], ...] = ()) -> dict[str, Any]:
    return {
        "kind": "document",
        "pages": [{"number": n, "text": text} for n, text in enumerate(pages, start=1)],
        "outline": [{"title": t, "page": page, "level": level} for t, page, level in outline],
    }


def transcript(*segments: tuple[float, float, str, str | None]) -> dict[str, Any]:
    names = ("start", "end", "text", "speaker")
    return {
        "kind": "transcript",
        "segments": [dict(zip(names, segment, strict=True)) for segment in segments],
    }


def test_no_passage_crosses_a_page():
    chunks = chunk(document("Page one.", "", "Page three. More."), count)
    assert [(one.page, one.text) for one in chunks] == [(1, "Page one."), (3, "Page three. More.")]


def test_a_passage_knows_its_headings_and_ends_where_the_next_begins():
    result = document(
        "Preface\nBefore it all.\nFirst part\nIt begins.",
        "It goes on.\nA detail\nVery small.\nSecond part\nThe end.",
        outline=(
            ("Preface", 1, 1),
            ("First part", 1, 1),
            ("A detail", 2, 2),
            ("Second part", 2, 1),
        ),
    )
    assert [(one.headings, one.text) for one in chunk(result, count)] == [
        (("Preface",), "Preface Before it all."),
        (("First part",), "First part It begins."),
        (("First part",), "It goes on."),
        (("First part", "A detail"), "A detail Very small."),
        (("Second part",), "Second part The end."),
    ]


def test_running_headers_are_left_out_and_notes_are_kept():
    result = document("On scribes\nThe text.\nPage 1")
    result["pages"][0] |= {"header": 1, "footer": 1, "annotations": ["Is this true?"]}
    assert [one.text for one in chunk(result, count)] == ["The text. Is this true?"]


def test_a_heading_that_is_not_on_its_page_begins_with_the_page():
    result = document("Text without its title.", outline=(("Elsewhere", 1, 1),))
    assert [one.headings for one in chunk(result, count)] == [("Elsewhere",)]


def test_long_text_becomes_passages_that_overlap_by_sentences():
    text = " ".join(f"Sentence number {n} has seven words." for n in range(100))
    chunks = chunk(document(text), count)
    assert len(chunks) > 2
    for before, after in pairwise(chunks):
        shared = [part for part in after.text.split(". ") if part in before.text]
        assert 0 < count([". ".join(shared)])[0] <= OVERLAP_TOKENS
    assert all(count([one.text])[0] <= CHUNK_TOKENS for one in chunks)
    assert all(f"number {n} " in " ".join(one.text for one in chunks) for n in range(100))


def test_a_turn_of_another_speaker_is_another_passage():
    chunks = chunk(transcript((0, 1, "Hello.", "A"), (1, 2, "Hi.", "B"), (2, 3, "So.", "B")), count)
    assert [(one.speaker, one.text, one.start, one.end) for one in chunks] == [
        ("A", "Hello.", 0, 1),
        ("B", "Hi. So.", 1, 3),
    ]
    assert chunks[1].marks == ((0, 1.0), (4, 2.0))


def test_a_segment_that_is_too_long_is_cut_and_keeps_its_time():
    chunks = chunk(transcript((10, 20, "word " * (4 * CHUNK_TOKENS), None)), count)
    assert len(chunks) >= 4
    assert chunks[0].start == 10 and chunks[-1].end == 20
    starts = [one.start for one in chunks]
    assert starts == sorted(starts) and len(set(starts)) == len(starts)


def test_text_without_a_space_is_cut_too():
    chunks = chunk(document("x" * 10_000), count)
    assert "".join(one.text for one in chunks).count("x") == 10_000
    assert max(count([one.text])[0] for one in chunks) <= CHUNK_TOKENS


def test_nothing_said_or_written_gives_no_passages():
    assert chunk(document("", " \n"), count) == []
    assert chunk(transcript((0, 1, " ", None)), count) == []


words = st.lists(st.text(alphabet="ab.", min_size=1, max_size=30), max_size=400).map(" ".join)


@given(st.lists(words, max_size=3))
def test_every_word_of_every_page_is_in_a_passage_of_it(pages):
    chunks = chunk(document(*pages), count)
    for number, text in enumerate(pages, start=1):
        mine = [one.text for one in chunks if one.page == number]
        assert all(word in " ".join(mine) for word in set(text.split()))
        assert all(count([one])[0] <= CHUNK_TOKENS for one in mine)
