"""What the System page says of speech models."""

from __future__ import annotations

import huggingface_hub.constants
import pytest
from streamlit.testing.v1 import AppTest

import pages.context
import services.audio.checkpoints
from services.audio.engines.host import EngineStatus
from services.config import Settings
from services.runtime import Runtime
from tests.integration.test_options import PAGES
from tests.waiting import until


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    """A server without a hub, whose hub's cache is empty."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with Runtime(Settings(data_dir=tmp_path / "data", device="cpu", disk_reserve_mb=0)) as runtime:
        until(lambda: runtime.engine_choice(runtime.default_options()) is not None)
        monkeypatch.setattr(pages.context, "runtime", lambda: runtime)
        yield runtime


def system() -> AppTest:
    shown = AppTest.from_file(str(PAGES / "system.py"), default_timeout=60).run()
    assert not shown.exception, shown.exception
    return shown


def rows(shown: AppTest) -> dict[str, str]:
    """Return the rows of all tables of two columns."""
    return {
        str(name): str(row.iloc[-1])
        for table in shown.table
        for name, row in table.value.iterrows()
    }


def test_what_is_loaded_and_what_new_batches_get_are_told_apart(runtime):
    runtime._host.status = EngineStatus("ready", "NeMo 3.0.0", "spoken-digits", "cpu")
    shown = system()
    (banner,) = [info.value for info in shown.info]
    assert banner.startswith("**New batches use the offline model:** Whisper tiny.en")
    found = rows(shown)
    assert (found["State"], found["Model"]) == ("Ready", "spoken-digits")
    assert found["New batches"] == pages.context.plain("Whisper, tiny.en (offline)")


def test_the_system_page_says_what_new_batches_get_when_the_hub_is_there_at_last(
    runtime, monkeypatch
):
    monkeypatch.setattr(services.audio.checkpoints, "hub_has", lambda model, timeout: True)
    now = runtime._hub._clock()
    monkeypatch.setattr(runtime._hub, "_clock", lambda: now + 3600)
    system()  # has it asked again
    until(lambda: runtime._hub.answer)
    shown = system()
    assert not shown.info
    assert rows(shown)["New batches"] == pages.context.plain(f"NeMo, {runtime.settings.nemo_model}")
