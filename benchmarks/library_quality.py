"""How well the library finds what is meant: words alone, meanings alone, and both.

The questions and their answers in data/labelled.json were written for this, before anything was
measured. The weights of the fusion were chosen on the first set; the second was written after
them, and nothing is chosen on it. The passages are American founding documents, which are in the
public domain, among the prompts of the Debian package asterisk-core-sounds-en.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from statistics import fmean
from typing import Any

from services.library.chunks import chunk
from services.library.embedding import PACKAGED, EmbeddingModel
from services.library.models import Source
from services.library.search import search
from services.library.table import Table
from services.library.writer import Writer

LABELLED = Path(__file__).parent / "data" / "labelled.json"
PROMPTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
LIMIT = 10
SETS = {
    "queries": "on which the weights of the fusion were chosen",
    "held_out": "on which nothing was chosen",
}
WAYS = {"words (BM25)": (True, False), "meanings": (False, True), "both, fused": (True, True)}
"""Whether words and meanings are compared."""


def passages() -> dict[str, str]:
    """Return the text of every source by its name."""
    texts: dict[str, str] = json.loads(LABELLED.read_text(encoding="utf-8"))["passages"]
    if not PROMPTS.exists():
        raise SystemExit(f"{PROMPTS} is missing: apt install asterisk-core-sounds-en")
    for line in gzip.decompress(PROMPTS.read_bytes()).decode("utf-8", "replace").splitlines():
        name, found, text = line.partition(":")
        if found and not line.startswith(";") and len(text.split()) > 2:
            texts[name.strip()] = text.strip()
    return texts


def scores(ranking: list[str], relevant: list[str]) -> tuple[float, float]:
    """Return recall among the first ten and the reciprocal rank of the first relevant one."""
    recall = len(set(ranking[:LIMIT]) & set(relevant)) / min(len(relevant), LIMIT)
    first = next((n for n, one in enumerate(ranking, start=1) if one in relevant), None)
    return recall, 1 / first if first else 0.0


def quality(directory: Path) -> None:
    """Print recall@10 and the mean reciprocal rank of each way."""
    table, model = Table(directory), EmbeddingModel(PACKAGED, "cpu")
    writer = Writer(directory, lambda: table)
    texts = passages()
    for name, text in texts.items():
        result = {"kind": "document", "pages": [{"number": 1, "text": text}]}
        chunks = chunk(result, model.count)
        vectors = model.embed([one.text for one in chunks])
        done = writer.put(Source(name, name, "o", "b", "document", 0.0), chunks, vectors, PACKAGED)
    done.result()
    writer.close()

    labelled = json.loads(LABELLED.read_text(encoding="utf-8"))
    every: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for name, said in SETS.items():
        queries: list[dict[str, Any]] = labelled[name]
        assert all(name in texts for query in queries for name in query["relevant"])
        asked = model.embed([query["typed"].replace('"', "") for query in queries], query=True)
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for way, (words, meanings) in WAYS.items():
            for query, vector in zip(queries, asked, strict=True):
                near = vector if meanings else None
                page = search(table, query["typed"], near, PACKAGED, limit=50, words=words)
                ranking = [group.source for group in page.groups]
                found[way].append(scores(ranking, query["relevant"]))
            every[way] += found[way]
        show(f"{len(queries)} questions over {len(texts)} texts, {said}", found)
    show("Both sets", every)


def show(title: str, found: dict[str, list[tuple[float, float]]]) -> None:
    """Print the means of each way's scores."""
    print(f"\n{title}")
    print(f"{'':<42}{'recall@10':>10}{'MRR':>8}")
    for way, pairs in found.items():
        recall, rank = (fmean(column) for column in zip(*pairs, strict=True))
        print(f"{way:<42}{recall:>10.3f}{rank:>8.3f}")
