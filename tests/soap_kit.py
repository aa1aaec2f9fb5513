"""A device in memory for SOAP tests: the real endpoint, gatekeeper and accounts on a fake clock and host."""

import base64
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network

from lxml import etree

from gateway.domain.access import Account, Secret, UserLevel
from gateway.domain.device import DeviceIdentity
from gateway.onvif.authentication import Authenticator
from gateway.onvif.capabilities import CapabilityModel
from gateway.onvif.codec import Codec
from gateway.onvif.context import Service
from gateway.onvif.contract import load_contract
from gateway.onvif.device import DeviceActions, DeviceService, DeviceSettings
from gateway.onvif.device_network import HostInterface, ServicePorts
from gateway.onvif.endpoint import AnonymousFault, Endpoint, SoapRequest, SoapResponse
from gateway.protocols.http_auth import DigestClient, DigestServer
from gateway.protocols.soap.envelope import WSSE
from gateway.protocols.soap.wsse import WSU, TokenVerifier, digest
from gateway.servers.access import Gatekeeper
from gateway.services.accounts import Accounts
from gateway.services.limiter import FailureLimiter
from gateway.testing.clock import FakeClock

PASSWORDS = {"root": "Blue-Tangent-19", "operator": "Green-Tangent-28", "viewer": "Amber-Tangent-37"}
LEVELS = {"root": UserLevel.ADMINISTRATOR, "operator": UserLevel.OPERATOR, "viewer": UserLevel.USER}
TDS = "http://www.onvif.org/ver10/device/wsdl"
TT = "http://www.onvif.org/ver10/schema"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
IDENTITY = DeviceIdentity("6f2c8a52-3b41-4a6e-9d61-0123456789ab", "GW-0042", "Acme", "Recorder One", "1.2.3", "HW-7")
OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401"
MAC = "02:42:c0:00:02:0a"
PEER = "198.51.100.7"
SETTINGS = DeviceSettings("Yard recorder", "north gate", ServicePorts(http=8080, rtsp=8554))
_nonces = itertools.count(1)


class MemoryAccountStore:
    """Accounts that end with the test."""

    def __init__(self) -> None:
        self.accounts = {name: Account(name, LEVELS[name], Secret(word)) for name, word in PASSWORDS.items()}

    def load(self) -> list[Account]:
        return list(self.accounts.values())

    async def write(self, changed: Sequence[Account], deleted: Sequence[str]) -> None:
        self.accounts |= {account.name: account for account in changed}
        for name in deleted:
            del self.accounts[name]

    async def refreshed(self) -> list[Account] | None:
        return None


@dataclass
class MemorySettings:
    values: dict[str, object] = field(default_factory=dict)

    def load(self, key: str) -> object | None:
        return self.values.get(key)

    def store(self, key: str, value: object) -> None:
        self.values[key] = value


class FakeHost:
    """A host with a loopback, a second and a main interface."""

    def interfaces(self) -> Sequence[HostInterface]:
        loopback = HostInterface(
            "lo", mac="", mtu=65536, up=True, ipv4=(("127.0.0.1", 8),), ipv6=(("::1", 128),), loopback=True
        )
        main = HostInterface(
            "eth0", MAC, mtu=1500, up=True, ipv4=(("192.0.2.10", 24),), ipv6=(("fe80::1", 64),), speed=1000
        )
        return loopback, main, HostInterface("eth1", "02:42:c0:00:03:0a", mtu=1500, up=False, ipv4=(), ipv6=())

    def hostname(self) -> str:
        return "recorder"

    def gateways(self) -> Sequence[str]:
        return ("192.0.2.1",)

    def dns_servers(self) -> Sequence[str]:
        return ("192.0.2.53",)

    def search_domains(self) -> Sequence[str]:
        return ("example.org",)


class Kit:
    """One device and the means to call it."""

    def __init__(
        self,
        extra: Iterable[Service] = (),
        *,
        anonymous: str = "",
        anonymous_faults: dict[str, AnonymousFault] | None = None,
        allow_text: bool = False,
        time_limit: float = 5.0,
    ) -> None:
        self.clock = FakeClock()
        self.contract = load_contract()
        self.codec = Codec(self.contract)
        self.settings = MemorySettings()
        self.store = MemoryAccountStore()
        self.events: list[str] = []
        accounts = Accounts(self.store)
        networks = [ip_network(anonymous)] if anonymous else []
        self.gatekeeper = Gatekeeper(accounts, DigestServer("onvif", b"k" * 32), FailureLimiter(), self.clock, networks)
        self.model = CapabilityModel(self.contract, self.codec)
        self.device = DeviceService(
            IDENTITY,
            SETTINGS,
            self.model,
            FakeHost(),
            accounts,
            self.settings,
            DeviceActions(self._restart, self._reset, lambda: self.events.append("scopes")),
            self.clock,
        )
        for service in (self.device, *extra):
            self.model.register(service)
        self.endpoint = Endpoint(
            self.model.services,
            self.contract,
            self.codec,
            Authenticator(self.gatekeeper, TokenVerifier(allow_text=allow_text), self.clock),
            self.clock,
            anonymous_faults=anonymous_faults,
            time_limit=time_limit,
        )

    async def _restart(self) -> None:
        self.events.append("restart")

    async def _reset(self) -> None:
        self.events.append("reset")

    async def post(self, data: bytes, *, authorization: str | None = None, peer: str = PEER) -> SoapResponse:
        """Send raw bytes."""
        request = SoapRequest(
            body=data,
            address=peer,
            base="http://192.0.2.10:8080",
            host="192.0.2.10",
            local_address="192.0.2.10",
            rtsp="rtsp://127.0.0.1:8554",
            uri="/onvif/device_service",
            authorization=authorization,
        )
        return await self.endpoint.handle(request)

    async def call(
        self, body: str, user: str = "root", *, soap: str = SOAP12, header: str = "", peer: str = PEER
    ) -> SoapResponse:
        """Call an operation with a UsernameToken, or without credentials if the user is empty."""
        security = self.token(user) if user else ""
        return await self.post(envelope(body, security + header, soap), peer=peer)

    async def call_digest(self, body: str, user: str = "root", *, header: str = "") -> SoapResponse:
        """Call an operation with HTTP Digest: once for the challenge, once with the answer."""
        first = await self.post(envelope(body))
        client = DigestClient(user, Secret(PASSWORDS[user]))
        assert client.challenged(first.challenges)
        authorization = client.authorization("POST", "/onvif/device_service")
        return await self.post(envelope(body, header), authorization=authorization)

    def token(self, user: str, **options: str) -> str:
        """Return a Security header for the clock's present time."""
        created = datetime.fromtimestamp(self.clock.utc_ns() / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return token(user, PASSWORDS[user], created, **options)


def token(
    user: str,
    password: str,
    created: str,
    *,
    nonce: str = "",
    kind: str = f' Type="{OASIS}-wss-username-token-profile-1.0#PasswordDigest"',
    encoding: str = f' EncodingType="{OASIS}-wss-soap-message-security-1.0#Base64Binary"',
    understand: str = "1",
) -> str:
    """Return a Security header; `s` is the envelope's prefix."""
    sent = base64.b64decode(nonce) if nonce else next(_nonces).to_bytes(16)
    hashed = digest(sent, created, Secret(password))
    return (
        f'<Security s:mustUnderstand="{understand}" xmlns="{WSSE}"><UsernameToken><Username>{user}</Username>'
        f"<Password{kind}>{hashed}</Password><Nonce{encoding}>{base64.b64encode(sent).decode()}</Nonce>"
        f'<Created xmlns="{WSU}">{created}</Created></UsernameToken></Security>'
    )


def envelope(body: str, header: str = "", soap: str = SOAP12) -> bytes:
    """Return an envelope; bodies may use the prefixes s, tds and tt."""
    head = f"<s:Header>{header}</s:Header>" if header else ""
    return (
        f'<s:Envelope xmlns:s="{soap}" xmlns:tds="{TDS}" xmlns:tt="{TT}">{head}<s:Body>{body}</s:Body></s:Envelope>'
    ).encode()


def request(operation: str, **content: object) -> str:
    """Return a Device request: arguments are elements of tds, what is nested in them of tt; lists repeat."""
    return f"<tds:{operation}>{_elements(content, 'tds')}</tds:{operation}>"


def _elements(content: Mapping[str, object], prefix: str) -> str:
    text = ""
    for name, value in content.items():
        for item in value if isinstance(value, list) else [value]:
            inner = _elements(item, "tt") if isinstance(item, Mapping) else item
            text += f"<{prefix}:{name}>{inner}</{prefix}:{name}>"
    return text


def body_of(data: bytes) -> etree._Element:
    """Return the element in the Body of a response."""
    root = etree.fromstring(data)
    return root.find("{*}Body")[0]


@dataclass(frozen=True)
class Fault:
    code: str
    subcodes: tuple[str, ...]
    reason: str


def fault_of(response: SoapResponse) -> Fault:
    """Return the fault of a SOAP 1.2 response; names of codes are resolved, so that undeclared prefixes fail."""
    fault = body_of(response.body)
    assert fault.tag == f"{{{SOAP12}}}Fault", etree.tostring(fault)
    values = [_resolved(node) for node in fault.find("{*}Code").iter("{*}Value")]
    return Fault(values[0], tuple(values[1:]), fault.findtext("{*}Reason/{*}Text"))


def _resolved(node: etree._Element) -> str:
    prefix, _, local = node.text.partition(":")
    return {SOAP12: "env", "http://www.onvif.org/ver10/error": "ter"}[node.nsmap[prefix]] + ":" + local
