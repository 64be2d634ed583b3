"""What the methods that pages and routes are made of give, to everybody who may call them."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from services.errors import NotAllowed
from services.front import Front
from services.jobs.models import JobFilter
from services.people.shares import Audience
from services.runtime import Runtime
from tests.integration.access.house import SECRET


def test_what_is_somebody_elses_is_not_there(house):
    """The methods that pages and routes are made of, on a batch that somebody must not see."""
    batch_id, job_id, text = house.batch_id, house.document, house.recording
    mine = JobFilter(batch_id)
    for who in ("other", "admin", "other's token"):
        front = house.front(who)
        empty = {
            "batch": lambda f: f.batch(batch_id),
            "batches": lambda f: f.batches(),
            "count_batches": lambda f: f.count_batches(),
            "jobs": lambda f: f.jobs(batch_id),
            "job": lambda f: f.job(job_id),
            "own_batch": lambda f: f.own_batch(batch_id),
            "own_job": lambda f: f.own_job(job_id),
            "history": lambda f: f.history(job_id),
            "find": lambda f: f.find(JobFilter(text=SECRET)),
            "count": lambda f: f.count(JobFilter()),
            "models": lambda f: f.models(),
            "work": lambda f: f.work(batch_id),
            "earlier": lambda f: f.earlier([house.runtime.job(job_id).sha256]),
            "kept": lambda f: f.kept(batch_id)[0],
            "endings": lambda f: f.endings(0.0),
            "count_kinds": lambda f: f.count_kinds(JobFilter(batch_id)),
            "places": lambda f: f.places(),
            "common_options": lambda f: f.common_options(mine).language,
            "result": lambda f: f.result(job_id),
            "stamp": lambda f: f.stamp(job_id),
            "corrected": lambda f: f.corrected(job_id),
            "previous": lambda f: f.previous(job_id),
            "original": lambda f: f.original(job_id),
            "entries": lambda f: f.entries([job_id]),
            "index_counts": lambda f: f.index_counts(),
            "being_indexed": lambda f: f.being_indexed(),
            "shelf": lambda f: f.shelf(),
            "labels": lambda f: f.labels(job_id).name,
            "label_names": lambda f: f.label_names("tags"),
            "shares": lambda f: f.shares(batch_id),
            "retry": lambda f: f.retry(batch_id),
            "retry_job": lambda f: f.retry_job(job_id),
            "rerun": lambda f: f.rerun(JobFilter()),
            "set_options": lambda f: f.set_options(mine, f.default_options()),
            "cancel": lambda f: f.cancel(job_id),
            "cancel_batch": lambda f: f.cancel_batch(batch_id),
            "unlock": lambda f: f.unlock(job_id, "x"),
            "delete": lambda f: f.delete([job_id, text]),
            "delete_batch": lambda f: f.delete_batch(batch_id),
            "delete_mine": lambda f: f.delete_mine(),
            "discard": lambda f: f.discard(batch_id),
            "keep_batch": lambda f: f.keep_batch(batch_id, 1.0),
            "index_again": lambda f: f.index_again([job_id]),
            "diarization": lambda f: f.diarization(text),
            "diarizations": lambda f: f.diarizations(batch_id),
            "speakers": lambda f: f.speakers(text),
            "find_speakers": lambda f: f.find_speakers(text),
            "stop_finding_speakers": lambda f: f.stop_finding_speakers(text),
            "forget_speakers": lambda f: f.forget_speakers(text),
            "has_pictures": lambda f: f.has_pictures(text),
        }
        for name, call in empty.items():
            assert not call(front), f"{name} for {who}"
        for call in (
            lambda f: f.export(job_id, "txt"),
            lambda f: f.reader(text),
            lambda f: f.peaks(text),
            lambda f: f.sound(text),
            lambda f: f.edit(text, "", [], {}),
        ):
            with pytest.raises(KeyError):
                call(front)
    owner = house.front("owner")
    assert len(owner.jobs(batch_id)) == 2 and owner.result(job_id) is not None


def test_what_is_for_admins_is_for_nobody_else(house):
    for who in ("owner", "other", "guest", "reading token", "other's token"):
        front = house.front(who)
        for call in (
            lambda f: f.admin,
            lambda f: f.admin.set_terms(("Ana Ruiz",), ()),
            lambda f: f.downloads,
            lambda f: f.counts(),
            lambda f: f.pause(),
            lambda f: f.resume(),
            lambda f: f.move_to_front(JobFilter()),
            lambda f: f.free_model(),
            lambda f: f.models_with_sizes(),
            lambda f: f.hub_problem(),
            lambda f: f.download_model("owner/name"),
            lambda f: f.stop_download(),
            lambda f: f.waiting_workspaces(),
            lambda f: f.watched_folders(),
            lambda f: f.scan_watched_folders(),
            lambda f: f.webhook_trouble(),
            lambda f: f.metrics(),
            lambda f: f.retention(),
            lambda f: f.data_problem(),
            lambda f: f.index_again(),
            lambda f: f.check_library(),
            lambda f: f.ask_to_restore(Path("backup.arrow")),
            lambda f: f.inherit("bo", "cy"),
            lambda f: f.beginning_with("a"),
        ):
            with pytest.raises(NotAllowed):
                call(front)


def test_what_is_shared_is_seen_and_what_is_not_said_stays_with_its_owner(house):
    owner, other = house.front("owner"), house.front("other")
    share, _ = owner.share(house.batch_id, house.recording, Audience.PERSON, "cy")
    assert other.job(house.recording) and not other.job(house.document)
    assert other.batch(house.batch_id) is None
    for call in (
        lambda: other.edit(house.recording, "", [], {}),
        lambda: other.share(house.batch_id, house.recording),
        lambda: other.label(other.job(house.recording), name="x"),
    ):
        with pytest.raises((NotAllowed, Exception), match=r"only|no such batch|Only"):
            call()
    assert other.delete([house.recording]) == 0 and other.cancel(house.recording) == 0
    assert not other.unshare(share.id), "somebody else's"
    owner.share(house.batch_id, house.recording, Audience.PERSON, "cy", editing=True)
    version = other.reader(house.recording)["version"]
    assert other.edit(house.recording, version, [], {})["version"]
    for one in owner.shares(house.batch_id, house.recording):
        if one.audience is Audience.PERSON:
            assert owner.unshare(one.id)
    assert other.job(house.recording) is None


# What is not in the tests above: who calls it needs nothing of anybody's.
HARMLESS = {
    *("ask", "search", "search_page", "similar", "warm_search", "search_ready", "search_problem"),
    *(
        "default_options",
        "engine_choice",
        "engine_status",
        "speech_models",
        "paused",
        "lost",
        "said",
    ),
    *(
        "diarization_model",
        "every_model",
        "hub_answers",
        "queue_pause",
        "estimate",
        "indexing",
        "inspect",
        "require",
        "may",
    ),
    *("seen_by", "may_change", "may_correct", "log_action", "close", "start", "stop"),
}
"""Search is tested with a library of its own; the rest shows the machine, or asks who one is."""

TESTED = {
    *("new_workspace", "open_workspace", "submit", "wait", "share", "unshare", "label"),
    *("move_job_to_front", "can_run_again", "write_zip", "page_image", "restore_library"),
}


def test_every_method_is_in_the_matrix():
    tests = Path(__file__).parent.glob("test_*.py")
    source = "".join(path.read_text(encoding="utf-8") for path in tests)
    names = {
        name
        for kind in (Front, Runtime)
        for name, _ in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }
    missing = {name for name in names - HARMLESS - TESTED if f".{name}(" not in source}
    assert not missing
