"""From files to hits: the real engine, the real embedding model, the real database."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from services.cli.main import main
from services.config import Settings
from services.errors import LibraryError, WorkerDied
from services.jobs.models import State
from services.library import library
from services.library.embedding import PACKAGED
from services.library.library import Library
from services.library.models import Source
from services.library.process import EmbeddingProcess, vectors
from services.runtime import Runtime
from tests import media, text_models
from tests.waiting import until

PAUSE = np.zeros(16_000, np.float32)


def indexed(runtime: Runtime, count: int) -> bool:
    return runtime.index_counts().get(State.DONE, 0) == count


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    directory = tmp_path_factory.mktemp("files")
    said = ("conf-onlyone", "agent-newlocation", "conf-waitforleader", "cannot-complete-as-dialed")
    sounds = [media.at_16k(media.DATA / f"{name}.wav") for name in said]
    return [
        media.write_wav(
            directory / "call.wav",
            np.concatenate([part for sound in sounds for part in (sound, PAUSE)]),
        ),
        media.write_pdf(
            directory / "scribes.pdf",
            [
                "The scribes copied the first book by hand.",
                "The abbot approved how much money may be spent in spring.",
            ],
        ),
    ]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory, files):
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data") / "data",
        device="cpu",
        engine="whisper",
        library=True,
    )
    with Runtime(settings) as made:
        batch = made.submit(files, owner="ana")
        made.wait(batch.id, timeout=120)
        until(lambda: indexed(made, 2))
        yield made


def test_words_lead_to_the_second_and_the_page(runtime):
    call, scribes = runtime.jobs(runtime.batches()[0].batch.id)
    (hit,) = runtime.search('"leader arrives"')
    assert hit.source == call.id and hit.name == "call.wav"
    spoken = next(s for s in runtime.result(call.id).segments if "leader" in s.text)
    assert hit.start == spoken.start > 5
    (hit,) = runtime.search('"first book"')
    assert (hit.source, hit.page, hit.start) == (scribes.id, 1, None)


def test_meanings_are_found_where_no_word_is_the_same(runtime):
    best = runtime.search("budget for the season")[0]
    assert best.page == 2 and best.spans == () and best.similarity > 0.25
    assert runtime.search("volcano eruption") == []


def test_filters_facets_and_labels(runtime):
    call, scribes = runtime.jobs(runtime.batches()[0].batch.id)
    assert runtime.search("conference", kind="document") == []
    runtime.label(call, name="Weekly call", tags=["phone"], collections=["Spring"])
    until(lambda: runtime.search("conference", tags=("phone",)))
    found = runtime.search_page("conference")
    assert found.facets["collections"] == {"Spring": 1}
    assert found.groups[0].best.name == "Weekly call"
    assert [job.id for job, _, _ in runtime.shelf()] == [call.id, scribes.id]
    entry = runtime.entries([scribes.id])[scribes.id]
    assert entry.language == "en" and "scribes" in " ".join(entry.keywords)
    assert "abbot" in entry.summary and not runtime.can_answer
    with pytest.raises(LibraryError, match="need a language model"):
        runtime.ask("what?")


def test_indexing_again_replaces_and_changes_nothing_else(runtime):
    before = runtime.library.table.keys()
    runtime.index_again()
    until(lambda: not runtime.index_counts().get(State.QUEUED))
    until(lambda: indexed(runtime, 2))
    assert runtime.library.table.keys() == before
    assert runtime.search("conference", tags=("phone",)), "what people called it is kept"


def test_the_command_line_checks_repairs_and_exports(runtime, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SCRIPTORIUM_DATA", str(runtime.settings.data_dir))
    monkeypatch.setenv("SCRIPTORIUM_LIBRARY", "true")
    assert main(["library", "check"]) == 0
    call, _ = runtime.jobs(runtime.batches()[0].batch.id)
    runtime.library.delete([call.id]).result()
    assert main(["library", "check", "--json", "--repair"]) == 1
    assert json.loads(capsys.readouterr().out)["missing"] == [call.id]
    until(lambda: runtime.search("conference"))
    until(lambda: main(["library", "check"]) == 0)
    assert main(["library", "export", str(tmp_path / "all.jsonl")]) == 0
    lines = (tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == runtime.library.table.count()
    assert main(["library", "backup", str(tmp_path / "all.arrow")]) == 0
    runtime.library.delete([call.id]).result()
    assert main(["library", "restore", str(tmp_path / "all.arrow")]) == 0, "by the server"
    assert runtime.search("conference") and main(["library", "check"]) == 0
    (tmp_path / "none.arrow").write_bytes(b"no backup")
    assert main(["library", "restore", str(tmp_path / "none.arrow")]) != 0
    assert "is no backup" in capsys.readouterr().err and runtime.search("conference")
    assert not list(runtime.settings.library_dir.glob("restore-*"))


def test_a_process_that_embeds_texts_has_no_torch_of_its_own():
    code = """
import sys
import services.runtime
from services.library.embedding import PACKAGED
from services.library.process import EmbeddingProcess, vectors
process = EmbeddingProcess("cpu")
assert vectors(process.embed(PACKAGED, ["a cat"]).result(timeout=90)).shape == (1, 384)
assert process.running
process.close()
print("torch" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.stdout.strip() == "False", done.stderr


def test_the_embedding_process_names_a_missing_model_and_ends_when_idle(runtime):
    process = runtime.library.process
    with pytest.raises(LibraryError, match="cannot be loaded"):
        process.embed("no/such-model", ["text"]).result(timeout=90)
    found = vectors(process.embed(PACKAGED, ["a cat", "a feline"]).result(timeout=90))
    assert found.shape == (2, 384) and np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-4)
    assert found[0] @ found[1] > 0.5
    assert not process.end_when_idle()
    process._clock = lambda: time.monotonic() + 10_000
    assert process.end_when_idle() and not process.running


def test_a_closed_embedding_process_says_so():
    process = EmbeddingProcess("cpu")
    process.close()
    with pytest.raises(WorkerDied):
        process.embed(PACKAGED, ["too late"])


def test_nobody_waits_for_an_embedding_process_that_does_not_listen_yet(monkeypatch):
    begin, deaf = subprocess.Popen, [sys.executable, "-c", "import time; time.sleep(300)"]
    monkeypatch.setattr(subprocess, "Popen", lambda _, **more: begin(deaf, **more))
    process = EmbeddingProcess("cpu")
    answers: list[Future[dict]] = []

    def ask() -> None:
        answers.append(process.prepare("model", {"text": "more than a pipe holds " * 100_000}))
        answers.append(process.embed("model", []))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(60)
    assert len(answers) == 2 and not answers[0].done()
    process.close()
    for answer in answers:
        with pytest.raises(WorkerDied):
            answer.result(timeout=60)


def test_a_model_that_is_not_there_leaves_the_search_for_words(tmp_path, monkeypatch):
    library = Library(tmp_path, commit_seconds=0.0)
    library.writer.put(
        Source("s1", "a.pdf", "ana", "b1", "document", 1.0), *_one_chunk(), PACKAGED
    ).result()

    def missing(*_):
        raise LibraryError("The embedding model is missing.")

    monkeypatch.setattr(library.process, "embed", missing)
    found = library.search("book")
    assert not found.semantic and found.hits[0].text == "A book."
    library.close()


@pytest.fixture(scope="module")
def changed(runtime, tmp_path_factory):
    """The same library, from now on with another embedding model and a reranking model."""
    directory = tmp_path_factory.mktemp("models")
    models = {
        "embedding_model": str(text_models.static_model(directory / "static")),
        "rerank_model": str(text_models.word_detector(directory / "reranker", "hand")),
    }
    runtime.stop()
    with Runtime(runtime.settings.model_copy(update=models)) as made:
        yield made
    runtime.start()


def test_another_model_takes_over_while_search_goes_on(changed):
    def rows() -> list[dict]:
        return changed.library.table.query().limit(100).to_arrow().to_pylist()

    kept = {row["key"] for row in rows()}
    assert {row["model"] for row in rows()} == {PACKAGED}
    searches = 0
    while not indexed(changed, 2) or {row["model"] for row in rows()} == {PACKAGED}:
        found = changed.search_page("conference leader", patience=0.0)
        assert found.groups[0].best.start is not None, "words are found all the time"
        searches += 1
        assert searches < 1000, changed.entries([job.id for job, _, _ in changed.shelf()])
        time.sleep(0.05)
    assert searches > 1
    until(lambda: {row["model"] for row in rows()} == {changed.library.model})
    assert {row["key"] for row in rows()} == kept, "each passage once"
    assert len(rows()[0][f"vector_{text_models.STATIC_DIMENSION}"]) == text_models.STATIC_DIMENSION
    hits = changed.search("money for the season")
    assert hits[0].similarity is not None, "compared by the new model"
    assert changed.check_library().broken == ()


def test_the_best_hits_are_reranked_or_stay_as_they_are(changed, monkeypatch, caplog):
    def pages() -> list[int]:
        return [hit.page for hit in changed.search("how much money for a book", kind="document")]

    # Of passages side by side only the better is a hit: the page that says "hand", as soon as the
    # model is loaded.
    until(lambda: pages() == [1])
    scores = [hit.score for hit in changed.search("how much money", kind="document")]
    assert scores == sorted(scores, reverse=True)
    with monkeypatch.context() as slow:
        slow.setattr(library, "RERANK_SECONDS", 0.0)
        assert pages() == [2], "it took too long"
    assert pages() == [1]
    monkeypatch.setattr(library, "RERANK_SECONDS", 60.0)
    monkeypatch.setattr(changed.library, "_reranker", "no/such-model")
    assert pages() == [2]
    assert "The reranking model “no/such-model” cannot be loaded" in caplog.text


def _one_chunk():
    from services.library.models import Chunk

    return [Chunk("A book.", page=1)], np.ones((1, 384), "f4")
