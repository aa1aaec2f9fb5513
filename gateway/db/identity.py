"""The device's identity: made once, then kept for ever, because clients know the device by it."""

from pathlib import Path
from uuid import UUID, uuid4

from gateway.db.stores import SettingsStore
from gateway.domain.device import DeviceIdentity

_KEY = "gateway.identity"
_INTERFACES = Path("/sys/class/net")
_NODE_DIGITS = 12


def load_identity(
    settings: SettingsStore,
    *,
    manufacturer: str,
    model: str,
    firmware: str,
    interfaces: Path = _INTERFACES,
) -> DeviceIdentity:
    """Return the identity; the first time, its UUID is made.

    The UUID ends in the MAC address of the first physical interface if there is one, since some clients take the
    address from there; the serial number is its last twelve digits.
    """
    stored = settings.load(_KEY)
    uuid = str(stored) if stored else _new_uuid(first_mac(interfaces))
    if not stored:
        settings.store(_KEY, uuid)
    serial = uuid.replace("-", "")[-_NODE_DIGITS:].upper()
    return DeviceIdentity(uuid, serial, manufacturer, model, firmware, hardware_id=serial)


def first_mac(interfaces: Path = _INTERFACES) -> str | None:
    """Return the MAC address, as 12 hexadecimal digits, of the physical interface with the lowest index, or None."""
    found = []
    for interface in interfaces.glob("*"):
        try:
            mac = (interface / "address").read_text().strip().replace(":", "")
            index = int((interface / "ifindex").read_text())
        except (OSError, ValueError):
            continue
        if (interface / "device").exists() and len(mac) == _NODE_DIGITS and int(mac, 16):
            found.append((index, mac))
    return min(found)[1] if found else None


def _new_uuid(mac: str | None) -> str:
    uuid = uuid4()
    return str(uuid if mac is None else UUID(uuid.hex[:-_NODE_DIGITS] + mac))
