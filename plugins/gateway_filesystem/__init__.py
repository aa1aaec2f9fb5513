"""Keeps recordings in a directory."""

from gateway.sdk.hooks import hookimpl
from gateway.sdk.storage import StorageBackend
from gateway_filesystem.storage import FilesystemStorage


@hookimpl
def gateway_register_storages() -> dict[str, type[StorageBackend]]:
    """Register the storage backend `filesystem`."""
    return {"filesystem": FilesystemStorage}
