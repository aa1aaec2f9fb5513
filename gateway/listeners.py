"""The open ports by protocol, and the addresses that clients reach them at."""

import asyncio
import ssl
from collections.abc import Callable
from ipaddress import ip_address

from gateway.config import Config, ListenAddress
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.servers.listener import Listener
from gateway.servers.rtsp import RtspServer


class Listeners:
    """The open ports by protocol, and the addresses that clients reach them at."""

    def __init__(self, config: Config, rtsp: RtspServer, web: Callable[[], asyncio.Protocol]) -> None:
        self._config = config
        self._rtsp = rtsp
        self._web = web
        self._open: dict[str, Listener] = {}

    def open_all(self) -> None:
        """Open the ports of the configuration. Raises GatewayError."""
        config = self._config
        for protocol, listen in (
            ("http", config.http.listen),
            ("rtsp", config.rtsp.listen),
            ("https", config.tls.http_listen),
            ("rtsps", config.tls.rtsp_listen),
        ):
            if listen is not None:
                self._open_port(protocol, listen)

    def _open_port(self, protocol: str, listen: ListenAddress) -> None:
        web = self._web if protocol.startswith("http") else None
        tls = _tls_context(self._config) if protocol.endswith("s") else None
        try:
            self._open[protocol] = Listener(listen.address, listen.port, self._rtsp, web, tls)
        except OSError as error:
            message = f"{protocol.upper()} can't listen on {listen}: {error.strerror or error}"
            raise GatewayError(ErrorKind.UNAVAILABLE, message) from error

    def start(self) -> None:
        """Begin to accept."""
        for listener in self._open.values():
            listener.start()

    def close(self) -> None:
        """Stop accepting."""
        for listener in self._open.values():
            listener.close()

    @property
    def http(self) -> ListenAddress:
        """Where ONVIF and the console listen."""
        return ListenAddress(*self._open["http"].address)

    @property
    def rtsp(self) -> ListenAddress:
        """Where RTSP listens."""
        return ListenAddress(*self._open["rtsp"].address)

    def port(self, protocol: str) -> int | None:
        """Return a protocol's port, or None where it is not served."""
        listener = self._open.get(protocol)
        return None if listener is None else listener.address[1]

    def http_base(self, host: str) -> str:
        """Return the web's base address at a host, or the configured external one."""
        return (self._config.http.external or f"http://{host}:{self.http.port}").rstrip("/")

    def rtsp_base(self, host: str) -> str:
        """Return RTSP's base address at a host, or the configured external one."""
        return (self._config.rtsp.external or f"rtsp://{host}:{self.rtsp.port}").rstrip("/")

    def onvif_at(self, address: str, path: str) -> str | None:
        """Return the device service's URL at one of our IP addresses; None where nobody listens."""
        return self.http_base(_bracketed(address)) + path if self._listens_at(address) else None

    def callbacks_at(self, address: str) -> str | None:
        """Return the web's base address for cameras at one of our IP addresses; None where nobody listens."""
        return f"http://{_bracketed(address)}:{self.http.port}" if self._listens_at(address) else None

    def _listens_at(self, address: str) -> bool:
        bound = ip_address(self.http.address)
        return bound.is_unspecified or bound == ip_address(address)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _tls_context(config: Config) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(str(config.tls.certificate), str(config.tls.key))
    except (OSError, ssl.SSLError) as error:
        message = f"tls.certificate {str(config.tls.certificate)!r} and its key can't be loaded: {error}"
        raise GatewayError(ErrorKind.INVALID, message) from error
    return context
