"""What kind of file system a path lies on, where the platform tells."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

_NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afpfs", "webdav", "davfs", "9p"),
        *("drvfs", "virtiofs", "vboxsf", "prl_fs", "afs", "ceph", "lustre", "beegfs", "gpfs"),
    }
)
_LOCAL_FUSE = frozenset({"fuse.ntfs-3g", "fuse.exfat", "fuse.mergerfs"})


def is_network(path: Path) -> bool:
    """Whether `path` lies where other machines, or a host, change files without our being told."""
    if os.path.realpath(path).startswith("\\\\"):
        return True
    kind, options = _mount(path)
    fuse = kind.startswith("fuse.") and kind not in _LOCAL_FUSE
    return kind in _NETWORK or fuse or "remote" in options


def is_removable(path: Path) -> bool:
    """Whether `path` lies on a drive that Windows calls removable; elsewhere False."""
    return "removable" in _mount(path)[1]


def _mount(path: Path) -> tuple[str, list[str]]:
    """Return the type and the options of the file system that holds `path`."""
    place = Path(os.path.realpath(path))
    try:
        found = psutil.disk_partitions(all=True)
    except OSError:  # a drive that is just going
        found = []
    mounts = [mount for mount in found if place.is_relative_to(mount.mountpoint)]
    if not mounts:
        return "", []
    # Of two on one place the later one covers the earlier.
    mount = max(enumerate(mounts), key=lambda m: (len(m[1].mountpoint), m[0]))[1]
    return mount.fstype.lower(), mount.opts.split(",")
