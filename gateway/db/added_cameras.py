"""Cameras that were added by command, not by the operator's file; their secrets are sealed."""

from dataclasses import dataclass, field
from typing import Any, Final

from gateway.db.secrets import SecretBox
from gateway.db.stores import SettingsStore
from gateway.domain.access import Secret

_KEY: Final = "gateway.added_cameras"
_SEALED: Final = "sealed"


@dataclass(frozen=True, slots=True)
class AddedCamera:
    """One camera as it was added."""

    id: str
    name: str
    driver: str
    settings: dict[str, Any] = field(hash=False)
    """Of the driver: JSON values, and `Secret` for a password."""


class AddedCameraStore:
    """The added cameras, oldest first: a VMS remembers their order."""

    def __init__(self, settings: SettingsStore, box: SecretBox) -> None:
        self._settings = settings
        self._box = box

    def load(self) -> tuple[AddedCamera, ...]:
        """Return every added camera. Raises GatewayError when a secret can't be opened."""
        records = self._settings.load(_KEY) or []
        return tuple(
            AddedCamera(record["id"], record["name"], record["driver"], self._opened(record["id"], record["settings"]))
            for record in records
        )

    def add(self, camera: AddedCamera) -> None:
        """Keep one more; returns at once."""
        self._settings.store(_KEY, [*(self._settings.load(_KEY) or []), self._record(camera)])

    def replace(self, camera: AddedCamera) -> None:
        """Keep one in place of that with the same id; returns at once."""
        records = self._settings.load(_KEY) or []
        self._settings.store(_KEY, [self._record(camera) if each["id"] == camera.id else each for each in records])

    def remove(self, camera: str) -> None:
        """Forget one by its id; returns at once."""
        self._settings.store(_KEY, [each for each in self._settings.load(_KEY) or [] if each["id"] != camera])

    def _record(self, camera: AddedCamera) -> dict[str, object]:
        settings = {key: self._sealed(camera.id, key, value) for key, value in camera.settings.items()}
        return {"id": camera.id, "name": camera.name, "driver": camera.driver, "settings": settings}

    def _sealed(self, camera: str, key: str, value: object) -> object:
        return {_SEALED: self._box.seal(value, _identity(camera, key)).hex()} if isinstance(value, Secret) else value

    def _opened(self, camera: str, settings: dict[str, Any]) -> dict[str, Any]:
        return {
            key: self._box.open(bytes.fromhex(value[_SEALED]), _identity(camera, key))
            if isinstance(value, dict) and _SEALED in value
            else value
            for key, value in settings.items()
        }


def _identity(camera: str, key: str) -> str:
    return f"{key} of camera {camera}"
