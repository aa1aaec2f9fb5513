"""Secrets at rest: AES-256-GCM, with a key that lives outside the database and its backups."""

import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.domain.access import Secret
from gateway.domain.errors import ErrorKind, GatewayError

KEY_FILE = "secret.key"
CREDENTIAL = "gateway.key"
"""Name of the systemd credential that takes the place of the key file."""

_KEY_BYTES, _NONCE_BYTES = 32, 12
_FORMAT = b"\x01"
_HEX_KEY = re.compile(rb"[0-9a-fA-F]{64}\n?")


class SecretBox:
    """Seals secrets. Each is bound to the identity of its record, so that none can be moved to another."""

    def __init__(self, key: bytes, source: Path) -> None:
        self._cipher = AESGCM(key)
        self._key = key
        self.source = source
        """The file that the key is from."""

    def derived(self, purpose: str) -> bytes:
        """Return 32 bytes for a purpose, always the same, from which nothing else can be learnt."""
        return hmac.digest(self._key, purpose.encode(), hashlib.sha256)

    def seal(self, secret: Secret, identity: str) -> bytes:
        """Return a secret encrypted: format, nonce, ciphertext and tag."""
        nonce = os.urandom(_NONCE_BYTES)
        clear = secret.reveal().encode("utf-8", "surrogateescape")
        return _FORMAT + nonce + self._cipher.encrypt(nonce, clear, identity.encode())

    def open(self, sealed: bytes, identity: str) -> Secret:
        """Return a sealed secret. Raises GatewayError if the key or the identity is another."""
        clear = self._decrypt(sealed, identity)
        if clear is None:
            raise GatewayError(
                ErrorKind.INTERNAL,
                f"the {identity} can't be decrypted: {str(self.source)!r} is not the key it was encrypted with, or "
                "somebody changed the database",
            )
        return Secret(clear.decode("utf-8", "surrogateescape"))

    def is_key_of(self, sealed: bytes, identity: str) -> bool:
        """Tell whether this box's key sealed something."""
        return self._decrypt(sealed, identity) is not None

    def _decrypt(self, sealed: bytes, identity: str) -> bytes | None:
        head, nonce, body = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, identity.encode()) if head == _FORMAT else None
        except (InvalidTag, ValueError):
            return None


def load_box(directory: Path, environment: Mapping[str, str], *, create: bool) -> SecretBox:
    """Open the box with the systemd credential, else with the key file, which is made first if `create`.

    Raises GatewayError, naming the file, if the key is missing, malformed or open to others.
    """
    if credentials := environment.get("CREDENTIALS_DIRECTORY"):
        credential = Path(credentials) / CREDENTIAL
        if credential.exists():
            # Systemd grants the service's user access by an ACL, which shows as group bits.
            return SecretBox(_read_key(credential, stat.S_IRWXO), credential)
    path = directory / KEY_FILE
    if create and not path.exists():
        _create_key(path)
    return SecretBox(_read_key(path, stat.S_IRWXG | stat.S_IRWXO), path)


def _read_key(path: Path, forbidden: int) -> bytes:
    try:
        with path.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            text = stream.read(_KEY_BYTES * 2 + 2)
    except FileNotFoundError:
        raise _error(
            f"the key {str(path)!r} is missing: the passwords in the database can't be read without it; bring it back "
            "from a backup, or move the database away to start anew"
        ) from None
    except OSError as error:
        raise _error(f"the key {str(path)!r} can't be read: {error.strerror}") from error
    if mode & forbidden:
        raise _error(f"the key {str(path)!r} is open to other users (mode {mode:04o}); chmod it to 0600")
    if not _HEX_KEY.fullmatch(text):
        raise _error(f"the key {str(path)!r} is not 64 hexadecimal digits")
    return bytes.fromhex(text.decode())


def _create_key(path: Path) -> None:
    """Write a new key, complete or not at all, and never over another one."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(secrets.token_hex(_KEY_BYTES).encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            os.link(draft, path)
        finally:
            draft.unlink()
        _sync_directory(path.parent)
    except FileExistsError:
        return  # another process was quicker: its key is the key
    except OSError as error:
        raise _error(f"the key {str(path)!r} can't be made: {error.strerror}") from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _error(message: str) -> GatewayError:
    return GatewayError(ErrorKind.UNAVAILABLE, message)
