"""The network half of the running gateway: its ports, what is served on them, and how it is found."""

import asyncio

from gateway.config import Config
from gateway.lifetime import Lifetime
from gateway.listeners import Listeners
from gateway.onvif.device import DeviceService
from gateway.sdk.clock import Clock
from gateway.servers.discovery import DiscoveryServer, system_interfaces
from gateway.servers.http import HttpServer
from gateway.servers.rtsp import RtspServer
from gateway.servers.rtsp_ports import Authenticator, MulticastGroups, RtspOptions
from gateway.servers.rtsp_talk import Talks
from gateway.services.metadata import MetadataStreams

DEVICE_TYPES = (
    "{http://www.onvif.org/ver10/network/wsdl}NetworkVideoTransmitter",
    "{http://www.onvif.org/ver10/device/wsdl}Device",
)


class Serving:
    """Opens the ports early, so that they are known, and accepts connections once all is there that these ask for."""

    def __init__(
        self,
        config: Config,
        streams: MetadataStreams,
        authenticator: Authenticator,
        multicast: MulticastGroups | None,
        talks: Talks,
        clock: Clock,
        life: Lifetime,
    ) -> None:
        """Raises GatewayError for a port that can't be had."""
        self._config = config
        self._clock = clock
        self._life = life
        options = rtsp_options(config)
        self.rtsp = RtspServer(streams, authenticator, clock, options=options, multicast=multicast, talks=talks)
        self.rtsp.start()
        life.callback(self.rtsp.close)
        self.listeners = Listeners(config, self.rtsp, self._web_protocol)
        life.callback(self.listeners.close)
        self.listeners.open_all()
        self._http: HttpServer | None = None
        self._discovery: DiscoveryServer | None = None

    async def start_http(self, http: HttpServer) -> None:
        """Have connections to the web's ports served."""
        self._http = http
        await http.start()
        self._life.push_async_callback(http.stop)

    def accept(self) -> None:
        """Begin to accept connections."""
        self._life.spawn("rtsp", self.rtsp.run())
        self.listeners.start()

    async def be_found(self, installation: str, device: DeviceService) -> None:
        """Answer those who look for devices, unless that is not wanted."""
        settings = self._config.discovery
        if not settings.enabled:
            return
        discovery = DiscoveryServer(
            installation,
            DEVICE_TYPES,
            device.scopes,
            lambda host: self.listeners.onvif_at(host, device.path),
            self._clock,
            enabled=lambda: device.discoverable,
            interfaces=lambda: system_interfaces(settings.interfaces),
        )
        await discovery.start()
        self._discovery = discovery
        self._life.push_async_callback(discovery.stop)

    def announce(self) -> None:
        """Tell those who look for devices that something of it has changed."""
        if self._discovery is not None:
            self._discovery.announce()

    def _web_protocol(self) -> asyncio.Protocol:
        if self._http is None:
            raise RuntimeError("a web connection was accepted before the web server was started")
        return self._http.protocol()


def rtsp_options(config: Config) -> RtspOptions:
    """Return the limits of the RTSP server."""
    settings = config.rtsp
    return RtspOptions(
        session_timeout=settings.session_timeout,
        max_connections=settings.max_connections,
        max_connections_per_address=settings.max_connections_per_address,
    )
