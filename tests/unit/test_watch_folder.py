import json

import pytest

from services import exports
from services.config import PREFIX, load_settings
from services.errors import SettingsError
from services.watch.folder import OWNER, WatchedFolder
from tests.systems import make_link


def test_a_table_in_the_file_and_what_is_left_out(tmp_path, monkeypatch):
    file = tmp_path / "scriptorium.toml"
    file.write_text(
        f"""
        watch_still_seconds = 2.5
        [[watch]]
        path = '{tmp_path}/one'
        [[watch]]
        path = '{tmp_path}/two'
        include = ["*.wav"]
        owner = "ana"
        engine = "nemo"
        after = "move"
        output = '{tmp_path}/out'
        formats = ["srt", "json"]
        polling = true
        """
    )
    monkeypatch.setenv(f"{PREFIX}CONFIG", str(file))
    settings = load_settings(data_dir=tmp_path / "data")
    one, two = settings.watch
    assert settings.watch_still_seconds == 2.5
    assert (one.path, one.owner, one.after, one.polling) == (
        tmp_path / "one",
        OWNER,
        "leave",
        "auto",
    )
    assert one.recursive and one.include == () and one.output is None
    assert (two.include, two.owner, two.engine) == (("*.wav",), "ana", "nemo")
    assert (two.after, two.formats, two.polling) == ("move", ("srt", "json"), True)


def test_a_json_list_in_the_environment(tmp_path, monkeypatch):
    value = [{"path": str(tmp_path / "one"), "after": "delete", "recursive": False}]
    monkeypatch.setenv(f"{PREFIX}WATCH", json.dumps(value))
    (folder,) = load_settings(data_dir=tmp_path / "data").watch
    assert (folder.path, folder.after, folder.recursive) == (tmp_path / "one", "delete", False)


def test_every_format_that_there_is_can_be_chosen():
    chosen = WatchedFolder(path="x", output="y", formats=list(exports.MIME))
    assert set(chosen.formats) == set(exports.MIME)


def test_results_may_lie_beside_their_files(tmp_path):
    left, moved = (
        WatchedFolder(path=tmp_path, output="beside", after=after) for after in ("leave", "move")
    )
    assert (left.results, moved.results) == (tmp_path, tmp_path / "done")
    assert left.is_result("Talk.TXT") and not left.is_result("talk.srt")
    assert not WatchedFolder(path=tmp_path, output=tmp_path / "out").is_result("talk.txt")


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ([{"path": "a"}, {"path": "b/../a"}], "is watched twice"),
        ([{"path": "a"}, {"path": "a/b"}], r"a[/\\]b lies in the watched folder"),
        ([{"path": "a/b"}, {"path": "a"}], r"a[/\\]b lies in the watched folder"),
        ([{"path": "a", "output": "a/out"}], "results would be taken for new files"),
        ([{"path": "a", "output": "a"}], "results would be taken for new files"),
        ([{"path": "a"}, {"path": "b", "output": "a/out"}], r"a[/\\]out lies in the watched"),
        ([{"path": "a/in", "output": "a"}], r"a[/\\]in lies in the output folder"),
        ([{"path": "link/b"}, {"path": "b"}], "lies in|is watched twice"),
        ([{"path": "."}], "lie one in the other"),
        ([{"path": "data/x"}], "lie one in the other"),
        ([{"path": "temp"}], "lie one in the other"),
        ([{"path": "a", "output": "data/out"}], "which is the server's own"),
        ([{"path": "file"}], "file is a file. Name the folder"),
        ([{"path": "a", "formats": ["srt"]}], "has formats and no output"),
        ([{"path": "a", "show": ["times"]}], "has show and no output"),
        ([{"path": "a", "output": "out", "formats": []}], "needs one format"),
        ([{"path": "a", "include": [" "]}], "A pattern cannot be empty"),
        ([{"path": "a", "exclude": ["/x/*"]}], "“/x/\\*” is relative"),
        ([{"path": "a", "owner": " "}], "The owner cannot be empty"),
        ([{"path": "a", "after": "burn"}], "watch.0.after is 'burn'"),
        ([{"path": "a", "colour": 1}], "watch.0.colour is 1: extra inputs are not permitted"),
        ([{}], "watch.0.path: field required"),
    ],
)
def test_what_cannot_be_is_a_sentence(tmp_path, monkeypatch, tables, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    if tables[0].get("path") == "link/b":
        make_link(tmp_path / "link", tmp_path)
    with pytest.raises(SettingsError, match=sentence) as caught:
        load_settings(data_dir=tmp_path / "data", temp_dir=tmp_path / "temp", watch=tables)
    assert "WatchedFolder(" not in str(caught.value)


def test_folders_beside_each_other_are_fine(tmp_path):
    settings = load_settings(
        data_dir=tmp_path / "data",
        watch=[
            {"path": tmp_path / "in", "output": tmp_path / "out"},
            {"path": tmp_path / "in2", "output": tmp_path / "out"},
            {"path": tmp_path / "not there", "output": tmp_path / "out" / "deeper"},
        ],
    )
    assert len(settings.watch) == 3
