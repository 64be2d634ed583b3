from __future__ import annotations

import numpy as np
import pytest

from services.library.enrich import keywords, language, ranked_sentences, summary


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The scribes copied the first book by hand in the long winter.", "en"),
        ("Die Mönche schrieben das erste Buch im langen Winter von Hand ab.", "de"),
        ("Les moines ont copié le premier livre à la main pendant l'hiver.", "fr"),
        ("12 345", None),
        ("", None),
    ],
)
def test_languages(text, expected):
    assert language(text) == expected


def test_keywords_are_what_the_text_speaks_of():
    found = keywords(
        [
            "The printing press changed how books were made.",
            "A printing press prints books; the scribes copied books by hand.",
            "The scribes feared the printing press.",
        ]
    )
    assert "printing press" in found and "scribes" in found and "the" not in found
    assert not {"printing", "press"} & set(found), "they are in the pair already"
    assert keywords(["the and of"]) == () and keywords(["12 34"]) == ()


def test_a_summary_is_made_of_the_sentences_most_others_are_like():
    texts = ["Odd one.", "Money is tight.", "Money is short.", "Also odd.", "Money is scarce."]
    vectors = np.eye(5, 8, dtype="f4")
    for n, tilt in ((1, 0.1), (2, 0.2), (4, 0.3)):
        vectors[n] = 0
        vectors[n, 6:8] = 1, tilt
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert summary(texts, vectors) == "Money is tight. Money is short. Money is scarce."
    assert summary(texts[:2], vectors[:2]) == "Odd one. Money is tight."


def test_only_sentences_that_can_stand_alone_are_ranked():
    text = "Yes. " + "The scribes copied the book. " * 3 + "x" * 900 + ". The abbot paid for it."
    assert ranked_sentences(text) == ["The scribes copied the book.", "The abbot paid for it."]
    many = " ".join(f"This is sentence number {n} of many." for n in range(950))
    assert len(ranked_sentences(many)) <= 100
