"""Configured storages with their backends."""

from pathlib import Path

from gateway.config import Config, ConfigError, Storage, did_you_mean, settings_for
from gateway.domain.errors import GatewayError
from gateway.domain.storage import Volume
from gateway.registry import Registry
from gateway.sdk.storage import StorageBackend

DEMO_LIMIT = 4 * 10**9
"""Bytes that simulated cameras may fill."""


def demo_storage(data: Path) -> Storage:
    """Return the storage of a demonstration: a directory in the data directory."""
    return Storage(id="demo", limit=DEMO_LIMIT, settings={"path": str(data / "archive")})


def storages(config: Config, registry: Registry, installation: str) -> list[tuple[Volume, StorageBackend]]:
    """Return the configured storages with their backends, in order. Raises ConfigError with everything wrong."""
    problems: list[str] = []
    found = []
    for index, storage in enumerate(config.storages):
        try:
            backend = _backend(storage, registry, installation, config, f"storage[{index}]")
        except ConfigError as error:
            problems += error.problems
            continue
        found.append((Volume(storage.id, storage.backend, storage.limit, storage.priority), backend))
    if problems:
        raise ConfigError(problems)
    return found


def _backend(storage: Storage, registry: Registry, installation: str, config: Config, path: str) -> StorageBackend:
    kind = registry.storages.get(storage.backend)
    if kind is None:
        hint = did_you_mean(storage.backend, sorted(registry.storages))
        raise ConfigError([f"{path}.backend: there is no storage backend {storage.backend!r}{hint}"])
    settings = settings_for(kind, dict(storage.settings), f"{path}.settings", base=config.directory)
    try:
        return kind(storage.id, installation, settings)
    except GatewayError as error:
        raise ConfigError([f"{path}.settings: {error.message}"]) from error
