"""What the System page says of speech models."""

from __future__ import annotations

import threading

import huggingface_hub.constants
import pytest
from streamlit.testing.v1 import AppTest

import pages.context
import services.audio.checkpoints
import services.system
from services.audio.catalog import Downloads
from services.audio.engines.host import EngineStatus
from services.audio.fetching import Cancelled
from services.config import Settings
from services.runtime import Runtime
from tests.integration.test_options import press
from tests.shown import PAGES
from tests.unit.test_catalog import lay
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


@pytest.mark.parametrize(
    ("card", "device", "wanted", "told"),
    [
        ("NVIDIA RTX 4000, 1 of 8,192 MiB in use", "cpu", "auto", True),
        ("NVIDIA RTX 4000, 1 of 8,192 MiB in use", "cuda", "auto", False),
        ("NVIDIA RTX 4000, 1 of 8,192 MiB in use", "cpu", "cpu", False),
        ("NVIDIA RTX 4000, 1 of 8,192 MiB in use", "", "auto", False),
        (None, "cpu", "auto", False),
    ],
)
def test_a_gpu_that_the_model_does_not_use_is_told(
    runtime, monkeypatch, card, device, wanted, told
):
    runtime._host.status = EngineStatus("ready", "NeMo 3.0.0", "spoken-digits", device)
    monkeypatch.setattr(services.system, "gpu", lambda moment: card)
    monkeypatch.setattr(runtime, "settings", runtime.settings.model_copy(update={"device": wanted}))
    found = [warning.value for warning in system().warning]
    assert [("NVIDIA RTX 4000" in one and "PyTorch" in one) for one in found] == [True] * told


def test_the_system_page_says_what_new_batches_get_when_the_hub_is_there_at_last(
    runtime, monkeypatch
):
    monkeypatch.setattr(services.audio.checkpoints, "hub_lacks", lambda model, timeout: None)
    assert rows(system())["Model hub"].startswith("HF\\_HUB\\_OFFLINE is set")
    now = runtime._hub._clock()
    monkeypatch.setattr(runtime._hub, "_clock", lambda: now + 3600)
    system()  # has it asked again
    until(lambda: runtime._hub.answer)
    shown = system()
    assert not shown.info
    assert "Model hub" not in rows(shown)
    assert rows(shown)["New batches"] == pages.context.plain(f"NeMo, {runtime.settings.nemo_model}")


def test_every_model_is_listed_with_where_it_is_and_what_it_is_for(runtime, tmp_path):
    lay(tmp_path / "hub", "team/court", court__nemo=b"n" * 2000)
    shown = system()
    found = rows(shown)

    def row(name: str) -> str:
        return found[pages.context.plain(name)]

    assert row("team/court") == "on this machine · 2.0 KB"
    assert row("nvidia/diar_streaming_sortformer_4spk-v2") == "not here · tells speakers apart"
    assert row("nvidia/parakeet-tdt-0.6b-v3") == "not here · 25 languages"
    assert row("tiny.en (offline)") == "on this machine · 78.1 MB · English"
    runtime._hub.answer = True
    assert rows(system())[pages.context.plain("nvidia/canary-1b-v2")].startswith("on the hub")


def test_a_model_is_fetched_by_its_name_and_the_download_can_be_cancelled(runtime):
    asked, go_on = [], threading.Event()

    def download(model, progress, stopping):
        asked.append(model)
        progress(0.25)
        go_on.wait(60)
        assert stopping()
        raise Cancelled

    runtime._downloads = Downloads(download)
    page = system()
    page.selectbox[0].set_value("Another one").run()
    page.text_input[0].set_value("owner").run()
    press(page, "Download")
    assert "has the form owner/name" in page.error[0].value.replace("\\", "") and not asked
    page.text_input[0].set_value("team/court").run()
    press(page, "Download")
    until(lambda: runtime.downloads.share == 0.25)
    page.run()
    assert asked == ["team/court"] and not page.error
    press(page, "Cancel")
    assert runtime.downloads.stopping
    go_on.set()
    until(lambda: runtime.downloads.share is None)
    page.run()
    assert not page.error and not page.exception


def test_the_list_of_names_is_kept_on_the_page_and_nobody_overwrites_anothers(runtime):
    page, other = system(), system()
    page.text_area[0].set_value("Ana Ruiz\n\nZürich\n")
    press(page, "Save")
    assert not page.exception and not page.error
    assert page.text_area[0].value == "Ana Ruiz\nZürich"
    assert runtime.default_options().hotwords == ("Ana Ruiz", "Zürich")
    other.text_area[0].set_value("Bo")
    press(other, "Save")
    assert "Somebody else changed the list" in other.error[0].value
    assert other.text_area[0].value == "Bo", "what was written is still there"
    assert system().text_area[0].value == "Ana Ruiz\nZürich"
