"""What a text is about, without a language model: its language, keywords and a summary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.library.sentences import sentences

KEYWORDS = 8
SUMMARY_SENTENCES = 3
LONGEST_SENTENCE = 400
SENTENCES_RANKED = 100
"""Sentences compared at most, evenly spread: each is compared with each."""

_WORD = r"(?u)\b[^\W\d_][\w'’-]{2,}\b"
OFFLINE = "TF-IDF and TextRank"


@dataclass(frozen=True)
class Enrichment:
    """What is known of a text beside itself; `made_by` names the way it was found."""

    language: str | None = None
    title: str | None = None
    summary: str = ""
    keywords: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    made_by: str = OFFLINE


def language(text: str) -> str | None:
    """Return the ISO 639-1 code of a text's language; None for too little text to tell."""
    if len(re.findall(r"[^\W\d_]+", text)) < 4:
        return None
    import py3langid

    return str(py3langid.classify(text[:5000])[0])


def keywords(passages: Sequence[str]) -> tuple[str, ...]:
    """Return the words and pairs of words that tell a text's passages apart, by TF-IDF.

    Salton and Buckley, Term-weighting approaches in automatic text retrieval, 1988.
    """
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        token_pattern=_WORD, stop_words="english", ngram_range=(1, 2), sublinear_tf=True
    )
    try:
        weights = vectorizer.fit_transform(passages)
    except ValueError:  # nothing but stop words
        return ()
    totals = np.asarray(weights.sum(axis=0)).ravel()
    names = vectorizer.get_feature_names_out()
    # Of a pair and its words that weigh the same, the pair says more.
    order = sorted(
        range(len(names)),
        key=lambda n: (-round(float(totals[n]), 6), " " not in names[n], names[n]),
    )
    kept: list[str] = []
    for name in (str(names[n]) for n in order):
        # A word that is part of a pair which was chosen says nothing new, nor the other way.
        if not any(name in other.split() or other in name.split() for other in kept):
            kept.append(name)
        if len(kept) == KEYWORDS:
            break
    return tuple(kept)


def spread(items: Sequence[str], most: int) -> list[str]:
    """Return at most `most` items, evenly spread."""
    step = max(1, -(-len(items) // most))
    return list(items[::step])


def ranked_sentences(text: str) -> list[str]:
    """Return the sentences of a text that a summary may be made of."""
    spoken = [" ".join(text[begin:end].split()) for begin, end in sentences(text)]
    fit = [one for one in spoken if 20 <= len(one) <= LONGEST_SENTENCE]
    return spread(list(dict.fromkeys(fit)), SENTENCES_RANKED)


def summary(texts: Sequence[str], vectors: Any) -> str:
    """Return the sentences that most others are like, in their order: TextRank over embeddings.

    Mihalcea and Tarau, TextRank: Bringing Order into Texts, 2004.

    Args:
        vectors: float32 of shape (len(texts), dimension), of length 1.
    """
    import numpy as np

    if len(texts) <= SUMMARY_SENTENCES:
        return " ".join(texts)
    likeness = np.clip(vectors @ vectors.T, 0, None)
    np.fill_diagonal(likeness, 0)
    sums = likeness.sum(axis=1, keepdims=True)
    steps = likeness / np.where(sums > 0, sums, 1)
    rank = np.full(len(texts), 1 / len(texts))
    for _ in range(50):
        rank = 0.15 / len(texts) + 0.85 * (steps.T @ rank)
    best = sorted(np.argsort(-rank, kind="stable")[:SUMMARY_SENTENCES])
    return " ".join(texts[n] for n in best)
