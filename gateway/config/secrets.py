"""Secrets: never written in a configuration, only named there."""

from collections.abc import Mapping
from pathlib import Path

from gateway.domain.access import Secret

MAX_SECRET = 4096
"""Bytes in the file of a secret."""

_HOW = 'a secret must be given as { env = "NAME" } or { file = "PATH" }'


def read_secret(value: object, base: Path, environment: Mapping[str, str]) -> Secret:
    """Return what a table with `env` or `file` refers to. Raises ValueError, which never tells a clear text."""
    if isinstance(value, Secret):  # of a camera that was added by command: from the database, never from a file
        return value
    if not isinstance(value, dict):
        raise ValueError(f"{_HOW}, never as clear text")  # noqa: TRY004 - the configuration is wrong, not the call
    match value:
        case {"env": str(name), **others} if not others:
            return _from_environment(name, environment)
        case {"file": str(name), **others} if name and "\0" not in name and not others:
            return _from_file(base / name)
    raise ValueError(_HOW)


def _from_environment(name: str, environment: Mapping[str, str]) -> Secret:
    text = environment.get(name)
    if not text:
        raise ValueError(f"the environment variable {name!r} is not set")
    return Secret(text)


def _from_file(path: Path) -> Secret:
    try:
        with path.open("rb") as stream:
            octets = stream.read(MAX_SECRET + 1)
    except OSError as error:
        raise ValueError(f"the file {str(path)!r} can't be read: {error.strerror}") from None
    if len(octets) > MAX_SECRET:
        raise ValueError(f"the file {str(path)!r} has more than {MAX_SECRET} bytes")
    try:
        text = octets.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"the file {str(path)!r} is not UTF-8 text") from None
    if not text:
        raise ValueError(f"the file {str(path)!r} is empty")
    return Secret(text)
