from pathlib import Path

import pytest

from services.config import PREFIX, Settings, config_file, load_settings
from services.errors import SettingsError


@pytest.fixture
def toml(tmp_path, monkeypatch) -> Path:
    """The settings file; a test writes it."""
    path = tmp_path / "scriptorium.toml"
    monkeypatch.setenv(f"{PREFIX}CONFIG", str(path))
    return path


def test_without_anything_the_defaults_hold():
    settings = load_settings()
    assert (settings.engine, settings.device, settings.document_workers) == ("auto", "auto", 2)
    assert settings.nemo_model == "nvidia/parakeet-tdt-0.6b-v3"
    assert settings.data_dir.is_absolute() and settings.data_dir.name == "scriptorium"


def test_arguments_beat_the_environment_beats_the_file_beats_the_default(toml, monkeypatch):
    toml.write_text('engine = "nemo"\ndevice = "cuda"\npage_timeout = 5\n')
    monkeypatch.setenv(f"{PREFIX}ENGINE", "whisper")
    monkeypatch.setenv(f"{PREFIX}PAGE_TIMEOUT", "7")
    settings = load_settings(page_timeout=9)
    assert (settings.page_timeout, settings.engine, settings.device, settings.attempts) == (
        9,
        "whisper",
        "cuda",
        3,
    )


@pytest.mark.parametrize("name", ["DATA", "DATA_DIR"])
def test_the_data_directory_has_two_names_in_the_environment(tmp_path, monkeypatch, name):
    monkeypatch.setenv(PREFIX + name, str(tmp_path / "mine"))
    assert load_settings().data_dir == tmp_path / "mine"


def test_the_data_directory_in_the_file(toml, tmp_path):
    toml.write_text(f"data_dir = {str(tmp_path / 'mine')!r}\n")
    assert load_settings().data_dir == tmp_path / "mine"


def test_relative_paths_become_absolute_because_nemo_changes_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(data_dir="data", temp_dir="temp")
    assert settings.data_dir == tmp_path / "data" and settings.temp_dir == tmp_path / "temp"
    monkeypatch.setenv(f"{PREFIX}CONFIG", "my.toml")
    assert config_file() == tmp_path / "my.toml"


def test_a_home_directory_is_resolved(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert load_settings(data_dir="~/data").data_dir == tmp_path / "data"


def test_everything_lies_in_the_data_directory(tmp_path):
    settings = Settings(data_dir=tmp_path)
    assert settings.temp_root == tmp_path / "temp"
    assert settings.results_dir.parent == settings.models_dir.parent == tmp_path
    assert settings.store_url == f"sqlite:///{tmp_path.as_posix()}/scriptorium.db"
    assert Settings(data_dir=tmp_path, temp_dir=tmp_path / "t").temp_root == tmp_path / "t"
    url = "postgresql://db/jobs"
    assert Settings(data_dir=tmp_path, database_url=url).store_url == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("engine", "magic"),
        ("device", "tpu"),
        ("clip_seconds", "1"),
        ("document_workers", "0"),
        ("document_memory_mb", "many"),
        ("page_timeout", "-1"),
        ("hub_timeout", "0"),
        ("attempts", "x"),
        ("retry_waits", "[0.1, -1]"),
        ("workspace_hours", "0"),
    ],
)
def test_a_wrong_value_names_its_setting_and_itself(monkeypatch, name, value):
    monkeypatch.setenv(PREFIX + name.upper(), value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith("Scriptorium cannot start") and f"{name}" in message
    assert value.strip("[]").split(", ")[-1] in message


def test_a_list_that_is_none_names_its_setting(monkeypatch):
    monkeypatch.setenv(f"{PREFIX}RETRY_WAITS", "soon")
    with pytest.raises(SettingsError, match="retry_waits"):
        load_settings()


def test_all_wrong_values_are_named_at_once(toml):
    toml.write_text('engine = "magic"\nattempts = 0\n')
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert "engine" in message and "attempts" in message and str(toml) in message


def test_an_unknown_name_in_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv(f"{PREFIX}ENGIEN", "nemo")
    with pytest.raises(SettingsError, match=f"{PREFIX}ENGIEN, which is no setting"):
        load_settings()


def test_an_unknown_key_in_the_file_is_refused(toml):
    toml.write_text('engien = "nemo"\n')
    with pytest.raises(SettingsError, match="engien"):
        load_settings()


def test_a_file_that_is_no_toml_is_refused(toml):
    toml.write_text("engine: nemo")
    with pytest.raises(SettingsError, match="is not valid TOML"):
        load_settings()


def test_a_watched_folder_of_a_team_needs_an_owner(tmp_path):
    folder = {"path": str(tmp_path / "inbox")}
    with pytest.raises(SettingsError, match="needs an owner"):
        load_settings(mode="accounts", watch=[folder])
    assert load_settings(mode="accounts", watch=[{**folder, "owner": "ana"}]).watch


def test_no_part_of_an_address_is_told_that_may_hold_a_password(monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_WEBHOOK_URLS", '["https://ana:hunter2@host/x"]')
    monkeypatch.setenv("SCRIPTORIUM_WEBHOOK_SECRET", "x" * 16)
    with pytest.raises(SettingsError, match="webhook_urls") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)
