"""Which file system a folder is on, and whether several machines may share it: a lock there names no process."""

import os
from pathlib import Path

_NAMES = """
9p acfs afs beegfs ceph cifs coda davfs gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 orangefs pvfs2 smb3 smbfs vboxsf
curlftpfs gcsfuse gvfsd-fuse mfs rclone s3fs sshfs
"""
SHARED = frozenset(_NAMES.split())
"""File systems of more than one machine; `fuse.` before a name changes nothing."""


def is_shared(kind: str) -> bool:
    return kind in SHARED or kind.removeprefix("fuse.") in SHARED


def mounted_type(mount_id: int, mountinfo: str) -> str:
    """The type of the file system of that mount, from the text of /proc/self/mountinfo; "unknown" if it is not there.

    A line: id, parent, device, root, mount point, options, optional fields …, a dash, type, source, more options.
    """
    for line in mountinfo.splitlines():
        fields = line.split()
        if fields and fields[0] == str(mount_id) and "-" in fields:
            return fields[fields.index("-") + 1]
    return "unknown"


def file_system(path: Path) -> str:
    """The type of the file system of `path`, or of the first folder above it that exists. Raises OSError."""
    while not path.exists() and path != path.parent:
        path = path.parent
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        facts = dict(line.split(":", 1) for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines())
    finally:
        os.close(fd)
    return mounted_type(int(facts["mnt_id"]), Path("/proc/self/mountinfo").read_text(errors="replace"))
