"""The sections of a configuration file. Every key is described in `docs/reference/configuration.md`."""

from collections.abc import Iterable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from gateway.config.values import (
    CameraId,
    Group,
    HttpUrl,
    Listen,
    ListenAddress,
    Location,
    MotionMode,
    MotionSource,
    Name,
    Network,
    Outline,
    Period,
    RecordingId,
    RtspUrl,
    SinkId,
    Size,
    StorageId,
    Topics,
)
from gateway.domain.camera import PROFILE_NAMES
from gateway.domain.motion import WHOLE_PICTURE

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - a recorder is there to be reached


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """`[gateway]`: what the device says of itself, and where it keeps its data."""

    name: Name = "Gateway"
    location: Location = ""
    data: Path | None = None


class Http(msgspec.Struct, frozen=True, kw_only=True):
    """`[http]`: ONVIF and the console."""

    listen: Listen = ListenAddress(_EVERYWHERE, 8080)
    external: HttpUrl | None = None


class Rtsp(msgspec.Struct, frozen=True, kw_only=True):
    """`[rtsp]`: media."""

    listen: Listen = ListenAddress(_EVERYWHERE, 8554)
    external: RtspUrl | None = None
    session_timeout: Annotated[int, msgspec.Meta(ge=10, le=3600)] = 60
    max_connections: Annotated[int, msgspec.Meta(ge=1, le=65536)] = 2048
    max_connections_per_address: Annotated[int, msgspec.Meta(ge=1, le=65536)] = 512


class Multicast(msgspec.Struct, frozen=True, kw_only=True):
    """`[multicast]`: media sent to groups, as soon as somebody asks for it."""

    enabled: bool = True
    address: Group = IPv4Address("239.192.64.0")
    port: Annotated[int, msgspec.Meta(ge=1024, le=65500)] = 40000
    ttl: Annotated[int, msgspec.Meta(ge=1, le=255)] = 1
    interface: str = ""

    def groups(self, paths: Iterable[str]) -> dict[str, tuple[str, int]]:
        """Return each RTSP path's group and first port: successive addresses, none if multicast is off."""
        if not self.enabled:
            return {}
        return {path: (str(self.address + index), self.port) for index, path in enumerate(paths)}


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """`[tls]`: HTTPS and RTSPS, as well as the plain ones."""

    certificate: Path | None = None
    key: Path | None = None
    http_listen: Listen | None = None
    rtsp_listen: Listen | None = None


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """`[access]`: how clients log in, and who need not."""

    anonymous_viewers: tuple[Network, ...] = ()
    digest_algorithms: tuple[Literal["MD5", "SHA-256"], ...] = ("MD5", "SHA-256")
    username_tokens: bool = True
    plain_password_tokens: bool = False


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """`[discovery]`: being found by WS-Discovery."""

    enabled: bool = True
    interfaces: tuple[str, ...] = ()


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """`[search]`: how recordings are shown to clients that search."""

    by_run: bool = False


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """`[edge]`: how gaps are filled from cameras that record themselves."""

    hours: Annotated[float, msgspec.Meta(ge=0, le=8640)] = 24.0
    """How far back gaps are filled; 0 for not at all."""
    pace: Annotated[float, msgspec.Meta(gt=0, le=100)] = 4.0
    """How much faster than it was recorded footage is fetched."""


class Brokers(msgspec.Struct, frozen=True, kw_only=True):
    """`[brokers]`: how certificates of event brokers are checked."""

    verify: bool = True
    authorities: Path | None = None


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """`[events]`: past events, where notifications may go, and alarms that cameras never end."""

    max_events: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] = 5_000_000
    days: Annotated[int, msgspec.Meta(ge=1, le=360)] = 30
    consumers: tuple[Network, ...] = ()
    picture_hold: Annotated[float, msgspec.Meta(ge=0, le=31_536_000)] = 86_400.0


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """`[database]`: users and what clients have set."""

    url: str = ""


class Plugins(msgspec.Struct, frozen=True, kw_only=True):
    """`[plugins]`: which are not loaded."""

    disabled: tuple[str, ...] = ()


WriteChoice: TypeAlias = Literal["apply", "accept-and-ignore", "refuse"]


class ClientWrites(msgspec.Struct, frozen=True, kw_only=True):
    """`[[writes.client]]`: what becomes of what one client writes, where it is otherwise than for all."""

    user: Name | None = None
    address: Network | None = None
    video_encoder: WriteChoice | None = None
    imaging: WriteChoice | None = None
    ptz: WriteChoice | None = None
    relays: WriteChoice | None = None
    digital_inputs: WriteChoice | None = None


class Writes(msgspec.Struct, frozen=True, kw_only=True):
    """`[writes]`: what becomes of what clients write of the cameras."""

    video_encoder: WriteChoice = "apply"
    imaging: WriteChoice = "apply"
    ptz: WriteChoice = "apply"
    relays: WriteChoice = "apply"
    digital_inputs: WriteChoice = "apply"
    clients: tuple[ClientWrites, ...] = msgspec.field(default=(), name="client")


class Motion(msgspec.Struct, frozen=True, kw_only=True):
    """`[motion]`: looking for motion, for cameras that do not say otherwise."""

    enabled: bool = False
    source: MotionSource | None = None
    engine: str = "framediff"
    mode: MotionMode = 5.0
    width: Annotated[int, msgspec.Meta(ge=80, le=1920)] = 320
    hold: Annotated[float, msgspec.Meta(ge=0, le=300)] = 5.0
    camera_hold: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 60.0
    settings: dict[str, Any] = {}
    """`[motion.settings]` as written; `settings_for` checks it against the engine."""


class Zone(msgspec.Struct, frozen=True, kw_only=True):
    """`[[camera.motion.zone]]`: a part of the picture in which motion counts."""

    name: Name
    polygon: Outline = WHOLE_PICTURE
    sensitivity: Annotated[int, msgspec.Meta(ge=0, le=100)] = 50
    min_size: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.001
    min_duration: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0.0


class CameraMotion(msgspec.Struct, frozen=True, kw_only=True):
    """`[camera.motion]`: what of `[motion]` is otherwise for one camera, and where it is looked."""

    enabled: bool | None = None
    source: MotionSource | None = None
    engine: str | None = None
    mode: MotionMode | None = None
    width: Annotated[int, msgspec.Meta(ge=80, le=1920)] | None = None
    hold: Annotated[float, msgspec.Meta(ge=0, le=300)] | None = None
    camera_hold: Annotated[float, msgspec.Meta(ge=0, le=86_400)] | None = None
    masks: tuple[Outline, ...] = ()
    zones: tuple[Zone, ...] = msgspec.field(default=(), name="zone")
    settings: dict[str, Any] = {}


class Camera(msgspec.Struct, frozen=True, kw_only=True):
    """`[[camera]]`: one camera, in the order that a VMS will see."""

    id: CameraId
    driver: str
    name: Name | None = None
    motion: CameraMotion = CameraMotion()
    settings: dict[str, Any] = {}
    """`[camera.settings]` as written; `settings_for` checks it against the driver."""


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """`[[storage]]`: one place where recordings are kept."""

    id: StorageId
    backend: str = "filesystem"
    limit: Size | None = None
    priority: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    settings: dict[str, Any] = {}
    """`[storage.settings]` as written; `settings_for` checks it against the backend."""


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """`[retention]`: what all recordings together may keep."""

    max_days: Annotated[int, msgspec.Meta(ge=1, le=360)] | None = None
    max_size: Size | None = None
    min_days: Annotated[int, msgspec.Meta(ge=0, le=360)] = 0


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """`[[recording]]`: what is recorded of a camera. Without any, every camera's main profile is, all the time."""

    camera: CameraId
    id: RecordingId | None = None
    profile: Literal["main", "sub"] = "main"
    mode: Literal["continuous", "schedule", "event", "off"] = "continuous"
    audio: bool = True
    schedule: tuple[Period, ...] = ()
    topics: tuple[str, ...] = ()
    before: Annotated[float, msgspec.Meta(ge=0, le=60)] = 5.0
    after: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 10.0
    max_days: Annotated[int, msgspec.Meta(ge=1, le=360)] | None = None
    max_size: Size | None = None
    min_days: Annotated[int, msgspec.Meta(ge=0, le=360)] = 0

    @property
    def name(self) -> str:
        """Return its id: that of the camera for the main profile, unless another was given."""
        return self.id or (self.camera if self.profile == PROFILE_NAMES[0] else f"{self.camera}_{self.profile}")


class Sink(msgspec.Struct, frozen=True, kw_only=True):
    """`[[sink]]`: where events are sent."""

    id: SinkId
    kind: str
    topics: tuple[Topics, ...] = ()
    cameras: tuple[CameraId, ...] = ()
    max_events: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 10_000
    max_days: Annotated[float, msgspec.Meta(ge=0.01, le=360)] = 7.0
    clip_hours: Annotated[float, msgspec.Meta(ge=0, le=8760)] = 0.0
    settings: dict[str, Any] = {}
    """`[sink.settings]` as written; `settings_for` checks it against the sink."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A whole configuration file; `Config()` is an empty one."""

    gateway: Gateway = Gateway()
    http: Http = Http()
    rtsp: Rtsp = Rtsp()
    multicast: Multicast = Multicast()
    tls: Tls = Tls()
    access: Access = Access()
    discovery: Discovery = Discovery()
    search: Search = Search()
    edge: Edge = Edge()
    brokers: Brokers = Brokers()
    events: Events = Events()
    database: Database = Database()
    plugins: Plugins = Plugins()
    retention: Retention = Retention()
    motion: Motion = Motion()
    writes: Writes = Writes()
    cameras: tuple[Camera, ...] = msgspec.field(default=(), name="camera")
    storages: tuple[Storage, ...] = msgspec.field(default=(), name="storage")
    recordings: tuple[Recording, ...] = msgspec.field(default=(), name="recording")
    sinks: tuple[Sink, ...] = msgspec.field(default=(), name="sink")
    directory: Path = msgspec.field(default=Path(), name="_directory")
    """Where relative paths start: the file's own directory. Not a key."""
