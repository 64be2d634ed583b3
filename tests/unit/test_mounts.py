from pathlib import Path
from types import SimpleNamespace

import pytest

from services.files import mounts
from services.files.mounts import is_network, is_removable


@pytest.mark.parametrize(
    ("path", "network", "removable"),
    [
        ("/srv/inbox", False, False),
        ("/mnt/nas/inbox", True, False),
        ("/mnt/nas/local/inbox", False, False),
        ("/mnt/nasty", False, False),
        ("/mnt/ssh/x", True, False),
        ("/media/stick", False, False),
        ("/mnt/auto/x", True, False),
        ("/mnt/z", True, False),
        ("/mnt/stick", False, True),
    ],
)
def test_shares_and_sticks_are_known_by_their_file_system(monkeypatch, path, network, removable):
    mounted = [
        ("/", "ext4", "rw"),
        ("/mnt/nas", "cifs", "rw"),
        ("/mnt/nas/local", "ext4", "rw"),
        ("/mnt/ssh", "fuse.sshfs", "rw"),
        ("/media/stick", "fuseblk", "rw"),
        ("/mnt/auto", "autofs", "rw"),
        ("/mnt/auto", "nfs4", "rw"),
        ("/mnt/z", "ntfs", "rw,remote"),  # as Windows says it
        ("/mnt/stick", "exfat", "rw,removable"),
    ]
    parts = [  # on Windows a folder of the current drive
        SimpleNamespace(mountpoint=str(Path(place).absolute()), fstype=kind, opts=options)
        for place, kind, options in mounted
    ]
    monkeypatch.setattr(mounts.psutil, "disk_partitions", lambda all: parts)
    assert (is_network(Path(path)), is_removable(Path(path))) == (network, removable)


def test_where_nothing_is_told_it_is_taken_for_local(monkeypatch, tmp_path):
    def refuse(all: bool) -> None:
        raise PermissionError(13, "")

    monkeypatch.setattr(mounts.psutil, "disk_partitions", refuse)
    assert not is_network(tmp_path) and not is_removable(tmp_path)
