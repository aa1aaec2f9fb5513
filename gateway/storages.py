"""Configured storages with their backends."""

import msgspec

from gateway.config import Config, ConfigError, Storage, data_directory, did_you_mean, settings_for
from gateway.domain.errors import GatewayError
from gateway.domain.storage import Volume
from gateway.registry import Registry
from gateway.sdk.storage import StorageBackend

DEMO_LIMIT = 4 * 10**9
"""Bytes that simulated cameras may fill."""


def with_demo_storage(config: Config) -> Config:
    """Return a configuration with the storage of a demonstration, in the data directory, unless it has one."""
    if config.storages:
        return config
    storage = Storage(id="demo", limit=DEMO_LIMIT, settings={"path": str(data_directory(config) / "archive")})
    return msgspec.structs.replace(config, storages=(storage,))


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
