"""The file that ties a directory to its storage and installation, so that another medium in its place is noticed."""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime

FILE = ".gateway-storage.json"
_LARGEST = 4096


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a directory belongs to."""

    volume: str
    installation: str


def read_identity(directory: int) -> Identity | None:
    """Return what stands in an open directory, None where there is nothing. Raises OSError, ValueError for nonsense."""
    try:
        descriptor = os.open(FILE, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        table = json.loads(file.read(_LARGEST))
    if not isinstance(table, dict):
        raise ValueError("not an object")  # noqa: TRY004 - a fault of the file, as every other ValueError here
    return Identity(str(table.get("volume")), str(table.get("installation")))


def write_identity(directory: int, identity: Identity) -> None:
    """Put an identity into an open directory, safe from power cuts. Raises OSError."""
    temporary = FILE + ".new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600, dir_fd=directory)
    with os.fdopen(descriptor, "wb") as file:
        made = datetime.now(UTC).isoformat(timespec="seconds")
        table = {"volume": identity.volume, "installation": identity.installation, "made": made}
        file.write(json.dumps(table).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, FILE, src_dir_fd=directory, dst_dir_fd=directory)
    os.fsync(directory)
