import io
import os
import tarfile
from pathlib import Path

import pytest

from services.files.archive import unpack_once


def make_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_it_is_unpacked_once(tmp_path):
    archive = make_tar(tmp_path / "m.nemo", {"./config.yaml": b"a: 1", "./w/weights": b"w"})
    first = unpack_once(archive, tmp_path / "models")
    assert (first / "config.yaml").read_bytes() == b"a: 1"
    (first / "seen").write_text("x")
    assert unpack_once(archive, tmp_path / "models") == first and (first / "seen").exists()


def test_an_archive_may_name_the_folder_itself(tmp_path):
    """As `tar -c .` writes it; Windows knows no folder that is called `.`."""
    archive = tmp_path / "m.nemo"
    with tarfile.open(archive, "w") as content:
        folder = tarfile.TarInfo(".")
        folder.type = tarfile.DIRTYPE
        content.addfile(folder)
        info = tarfile.TarInfo("./weights")
        info.size = 1
        content.addfile(info, io.BytesIO(b"w"))
    made = unpack_once(archive, tmp_path / "models")
    assert [path.name for path in made.iterdir()] == ["weights"]


def test_a_changed_archive_is_unpacked_again(tmp_path):
    archive = make_tar(tmp_path / "m.nemo", {"weights": b"old"})
    first = unpack_once(archive, tmp_path / "models")
    make_tar(archive, {"weights": b"new"})
    os.utime(archive, ns=(1, 1))
    second = unpack_once(archive, tmp_path / "models")
    assert second != first and (second / "weights").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "good/../../../evil"])
def test_a_path_that_leads_outside_is_refused_and_nothing_is_left(tmp_path, name):
    archive = make_tar(tmp_path / "m.nemo", {"good/weights": b"w", name: b"evil"})
    with pytest.raises(tarfile.TarError):
        unpack_once(archive, tmp_path / "models")
    assert os.listdir(tmp_path / "models") == []
    assert not list(tmp_path.rglob("evil"))


def test_a_link_that_leads_outside_is_refused(tmp_path):
    archive = tmp_path / "m.nemo"
    with tarfile.open(archive, "w") as content:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        content.addfile(link)
    with pytest.raises(tarfile.TarError):
        unpack_once(archive, tmp_path / "models")
    assert os.listdir(tmp_path / "models") == []


@pytest.mark.parametrize("size", [0, 1000])
def test_what_is_no_archive_leaves_nothing(tmp_path, size):
    archive = tmp_path / "m.nemo"
    archive.write_bytes(b"x" * size)
    with pytest.raises(tarfile.TarError):
        unpack_once(archive, tmp_path / "models")
    assert os.listdir(tmp_path / "models") == []


def test_an_archive_that_breaks_off_leaves_nothing(tmp_path):
    whole = make_tar(tmp_path / "whole", {"a": b"a" * 5000, "b": b"b" * 50_000}).read_bytes()
    archive = tmp_path / "m.nemo"
    archive.write_bytes(whole[:20_000])
    with pytest.raises(tarfile.TarError):
        unpack_once(archive, tmp_path / "models")
    assert os.listdir(tmp_path / "models") == []
