"""What NeMo does to files during a run, seen by an audit hook: nothing stays, nothing leaks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SPY = """
import json, os, sys, time
from pathlib import Path
import numpy as np, psutil

events, watching = [], False

def spy(name, args):
    if not watching:
        return
    if name == "tempfile.mkdtemp" or name == "tempfile.mkstemp":
        events.append(("made", os.fspath(args[0])))
    elif name == "open" and isinstance(args[0], (str, bytes)):
        if args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            events.append(("written", os.fsdecode(args[0])))

sys.addaudithook(spy)

from services.config import Settings
from services.files.temp import use_temp_root
from services.files.wav import write_wav
from services.jobs.models import Options
from services.runtime import Runtime

data, mode = Path(sys.argv[1]), sys.argv[2]
settings = Settings(data_dir=data, device="cpu", clip_seconds=5, batch_seconds=5)
assert use_temp_root(settings.temp_root) is None
digits = sorted(Path("models/spoken-digits/held-out").glob("*.wav"))
bad, click = data / "notes.wav", data / "click.wav"
bad.write_text("these are notes")
write_wav(click, np.zeros(160, np.float32), 16_000)
options = Options("nemo", "spoken-digits", mode)

def run(runtime, files, cancel=False):
    batch = runtime.submit(files, options=options)
    if cancel:
        runtime.cancel_batch(batch.id)
    runtime.wait(batch.id, 120)
    return sorted({str(job.state) for job in runtime.jobs(batch.id)})

def broken(*args, **kwargs):
    raise RuntimeError("the model failed")

def opened():
    return [
        file.path for file in psutil.Process().open_files()
        if str(data) in file.path and not Path(file.path).name.startswith("scriptorium.")
    ]

with Runtime(settings) as runtime:
    run(runtime, digits[:1])  # loads the model; torch then has a cache directory of its own
    scratch = data / "temp" / "scratch"
    before = set(scratch.rglob("*"))
    model = runtime._host._engine._model
    report = {}
    for case in ("good", "bad", "raises", "cancel"):
        events, watching = [], True
        if case == "raises":  # in the middle of a batch
            real, model.forward = model.forward, broken
        states = run(runtime, digits + [bad, click] * (case == "bad"), case == "cancel")
        if case == "raises":
            model.forward = real
        run(runtime, digits[:1])  # the lane may still be in a batch that was cancelled
        end = time.monotonic() + 60  # and behind it a result be written that nobody wants now
        while opened() and time.monotonic() < end:
            time.sleep(0.05)
        watching = False
        report[case] = {
            "states": states,
            "events": events,
            "left": [str(path) for path in set(scratch.rglob("*")) - before],
            "open": opened(),
        }
print(json.dumps(report))
"""


@pytest.mark.parametrize("mode", ["arrays", "manifest"])
def test_a_run_leaves_no_file_and_no_open_handle(tmp_path, mode):
    """Also when a file is bad, the model fails in the middle, or the run is cancelled."""
    data = tmp_path / "data"
    data.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SPY, str(data), mode],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.strip().splitlines()[-1])
    assert report["good"]["states"] == ["done"]
    assert report["bad"]["states"] == ["done", "failed"]
    assert report["raises"]["states"] == ["failed"]
    assert "cancelled" in report["cancel"]["states"]
    for case, seen in report.items():
        assert seen["left"] == [] and seen["open"] == [], case
        outside = [p for _, p in seen["events"] if not p.startswith((str(data), "/dev/", "nul"))]
        assert outside == [], "every file and directory was made in our own"
        manifests = [
            path
            for kind, path in seen["events"]
            if kind == "written"
            and path.endswith(".json")
            and "/scratch/manifest-" in Path(path).as_posix()
        ]
        if mode == "arrays":
            assert manifests == [], "arrays need no manifest"
        elif case != "cancel":
            assert manifests, "the manifest is ours"
