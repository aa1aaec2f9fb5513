"""An ONVIF camera that answers as it is told, in the process of the test."""

# ruff: noqa: N802 - methods have the names of the operations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from aiohttp import ClientSession, web
from lxml import etree

from gateway.domain.access import Secret
from gateway.protocols.http_auth import Algorithm, DigestServer, Outcome
from gateway.protocols.soap import wsse
from gateway.protocols.soap.envelope import SoapVersion, fault_body, parse, reply

SPACES = {
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "tt": "http://www.onvif.org/ver10/schema",
    "ter": "http://www.onvif.org/ver10/error",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "wsa": "http://www.w3.org/2005/08/addressing",
    "timg": "http://www.onvif.org/ver20/imaging/wsdl",
    "tptz": "http://www.onvif.org/ver20/ptz/wsdl",
    "tmd": "http://www.onvif.org/ver10/deviceIO/wsdl",
    "tns1": "http://www.onvif.org/ver10/topics",
}
PATHS = {"tds": "/onvif/device_service", "trt": "/onvif/media", "tr2": "/onvif/media2", "tev": "/onvif/events"} | {
    "timg": "/onvif/imaging",
    "tptz": "/onvif/ptz",
    "tmd": "/onvif/deviceio",
}
OPEN = {"GetSystemDateAndTime", "GetServices", "GetCapabilities"}
"""What anybody may ask (access class PRE_AUTH)."""
USER, PASSWORD = "admin", "s3cret"
NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


class FaultError(Exception):
    """What a camera answers instead."""

    def __init__(self, code: str, *subcodes: str, reason: str = "No.", status: int = 400) -> None:
        super().__init__(reason)
        self.code, self.subcodes, self.reason, self.status = code, subcodes, reason, status


@dataclass
class ScriptedOnvif:
    """Start it with `async with`; change its fields as the test needs before the client comes."""

    auth: str = "digest"
    """`none`, `digest`, `sha` (Digest with SHA-256 only), `token`, or `basic`."""
    password: str = field(default=PASSWORD, repr=False)
    serial: str = "A7"
    services: tuple[str, ...] = ("tds", "trt", "tr2", "tev")
    profiles: list[tuple[str, str, str, int, int]] = field(
        default_factory=lambda: [
            ("big", "source", "H264", 1920, 1080),
            ("small", "source", "H264", 640, 360),
            ("tiny", "source", "H264", 160, 90),
        ]
    )
    """Token, source, encoding, width, height."""
    stream_uri: str = "rtsp://192.168.9.9:554/{token}"
    authority: str = ""
    """Host and port that it announces for its services; the right one when empty."""
    offset: float = 0.0
    """Seconds that its clock is ahead of `NOW`."""
    version: SoapVersion = SoapVersion.V12
    locked_time: bool = False
    """Whether even its time is told to those only who log in."""
    raw: dict[str, Callable[[], web.Response]] = field(default_factory=dict)
    """What to answer to an operation instead of what is asked."""
    faults: dict[str, FaultError] = field(default_factory=dict)
    hang: set[str] = field(default_factory=set)
    """Operations that never get an answer."""
    notifications: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)
    """What the next PullMessages brings: NotificationMessage elements."""

    asked: list[str] = field(default_factory=list, init=False)
    """Names of the operations that were carried out."""
    consumers: list[str] = field(default_factory=list, init=False)
    """Addresses that asked for notifications."""
    refused: int = field(default=0, init=False)
    """Logins that failed."""
    port: int = field(default=0, init=False)
    device_path: str = PATHS["tds"]

    async def __aenter__(self) -> Self:
        self._digest = DigestServer("camera", b"k" * 32)
        self._digest.algorithms = (Algorithm.SHA_256,) if self.auth == "sha" else (Algorithm.MD5,)
        self._tokens = wsse.TokenVerifier()
        application = web.Application()
        application.router.add_post("/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, handle_signals=False, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.offset)

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        envelope = parse(body)
        operation = etree.QName(envelope.body).localname
        if operation in self.hang:
            await asyncio.Event().wait()
        try:
            self._admit(operation, request, wsse.find_token(envelope.security))
        except FaultError as fault:
            return self._fault(fault)
        self.asked.append(operation)
        if operation in self.raw:
            return self.raw[operation]()
        if operation in self.faults:
            return self._fault(self.faults[operation])
        try:
            answered = getattr(self, f"_{operation}")
        except AttributeError:
            return self._fault(FaultError("Receiver", "ter:ActionNotSupported", status=500))
        try:
            answer = answered(envelope.body)
        except FaultError as fault:
            return self._fault(fault)
        if asyncio.iscoroutine(answer):
            answer = await answer
        return self._reply(answer)

    def _reply(self, body: str, status: int = 200) -> web.Response:
        data = reply(self.version, body, SPACES)
        headers = {"Content-Type": self.version.content_type, "Date": "Thu, 01 Jan 1970 00:00:00 GMT"}
        return web.Response(body=data, status=status, headers=headers)

    def _fault(self, fault: FaultError) -> web.Response:
        if fault.status == 401:
            response = web.Response(status=401, text="Unauthorized")
            for value in fault.subcodes:
                response.headers.add("WWW-Authenticate", value)
            return response
        return self._reply(fault_body(self.version, fault.code, fault.subcodes, fault.reason), fault.status)

    def _admit(self, operation: str, request: web.Request, token: wsse.UsernameToken | None) -> None:
        if self.auth == "none" or (
            operation in OPEN and not (self.locked_time and operation == "GetSystemDateAndTime")
        ):
            return
        if self.auth in ("token", "basic"):
            verdict = token and self._tokens.verify(token, self._password_of(token.username), self.now().timestamp())
            if verdict is wsse.Outcome.ACCEPTED:
                return
            self.refused += token is not None
            if self.auth == "basic" and token is None:
                raise FaultError("", 'Basic realm="camera"', status=401)
            raise FaultError("Sender", "ter:NotAuthorized", reason="Sender not authorized")
        given = request.headers.get("Authorization", "")
        verdict = given and self._digest.verify(given, "POST", self._password_of, NOW.timestamp())
        if not verdict or verdict.outcome is not Outcome.ACCEPTED:
            self.refused += bool(given)
            raise FaultError("", *self._digest.challenges(NOW.timestamp()), status=401)

    def _password_of(self, name: str) -> Secret | None:
        return Secret(self.password) if name == USER else None

    def _url(self, service: str) -> str:
        return f"http://{self.authority or self.address}{PATHS[service]}"

    def _GetSystemDateAndTime(self, _: object) -> str:
        now = self.now()
        return (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:UTCDateTime>"
            f"<tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute><tt:Second>{now.second}</tt:Second>"
            f"</tt:Time><tt:Date><tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day>"
            "</tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _GetServices(self, _: object) -> str:
        entries = "".join(
            f"<tds:Service><tds:Namespace>{SPACES[name]}</tds:Namespace><tds:XAddr>{self._url(name)}</tds:XAddr>"
            "<tds:Version><tt:Major>2</tt:Major><tt:Minor>0</tt:Minor></tds:Version></tds:Service>"
            for name in self.services
        )
        return f"<tds:GetServicesResponse>{entries}</tds:GetServicesResponse>"

    def _GetCapabilities(self, _: object) -> str:
        return (
            "<tds:GetCapabilitiesResponse><tds:Capabilities>"
            f"<tt:Device><tt:XAddr>{self._url('tds')}</tt:XAddr></tt:Device>"
            f"<tt:Media><tt:XAddr>{self._url('trt')}</tt:XAddr></tt:Media>"
            "</tds:Capabilities></tds:GetCapabilitiesResponse>"
        )

    def _GetDeviceInformation(self, _: object) -> str:
        return (
            "<tds:GetDeviceInformationResponse><tds:Manufacturer>Acme</tds:Manufacturer><tds:Model>Eye 3</tds:Model>"
            "<tds:FirmwareVersion>1.2</tds:FirmwareVersion>"
            f"<tds:SerialNumber>{self.serial}</tds:SerialNumber>"
            "<tds:HardwareId>h</tds:HardwareId></tds:GetDeviceInformationResponse>"
        )

    def _GetProfiles(self, asked: etree._Element) -> str:
        prefix = "tr2" if etree.QName(asked).namespace == SPACES["tr2"] else "trt"
        write = _profile2 if prefix == "tr2" else _profile1
        entries = "".join(write(*profile) for profile in self.profiles)
        return f"<{prefix}:GetProfilesResponse>{entries}</{prefix}:GetProfilesResponse>"

    def _GetStreamUri(self, asked: etree._Element) -> str:
        token = asked.findtext("{*}ProfileToken")
        uri = self.stream_uri.format(token=token)
        if etree.QName(asked).namespace == SPACES["tr2"]:
            return f"<tr2:GetStreamUriResponse><tr2:Uri>{uri}</tr2:Uri></tr2:GetStreamUriResponse>"
        return (
            f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{uri}</tt:Uri></trt:MediaUri></trt:GetStreamUriResponse>"
        )

    def _CreatePullPointSubscription(self, _: object) -> str:
        return (
            "<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference>"
            f"<wsa:Address>{self._url('tev')}/7</wsa:Address></tev:SubscriptionReference>"
            "<wsnt:CurrentTime>2026-11-23T12:00:00Z</wsnt:CurrentTime>"
            "<wsnt:TerminationTime>2026-11-23T12:01:00Z</wsnt:TerminationTime></tev:CreatePullPointSubscriptionResponse>"
        )

    def _Subscribe(self, asked: etree._Element) -> str:
        self.consumers.append(asked.findtext("{*}ConsumerReference/{*}Address") or "")
        return (
            "<wsnt:SubscribeResponse><wsnt:SubscriptionReference>"
            f"<wsa:Address>{self._url('tev')}/8</wsa:Address></wsnt:SubscriptionReference>"
            "<wsnt:CurrentTime>2026-11-23T12:00:00Z</wsnt:CurrentTime>"
            "<wsnt:TerminationTime>2026-11-23T12:01:00Z</wsnt:TerminationTime></wsnt:SubscribeResponse>"
        )

    async def notify(self, messages: str, consumer: int = -1) -> int:
        """Send NotificationMessage elements to a consumer; return the status of its answer."""
        body = reply(self.version, f"<wsnt:Notify>{messages}</wsnt:Notify>", SPACES)
        async with ClientSession() as session, session.post(self.consumers[consumer], data=body) as answer:
            return answer.status

    async def _PullMessages(self, _: object) -> str:
        message = await self.notifications.get()
        return (
            "<tev:PullMessagesResponse><tev:CurrentTime>2026-11-23T12:00:00Z</tev:CurrentTime>"
            f"<tev:TerminationTime>2026-11-23T12:00:40Z</tev:TerminationTime>{message}</tev:PullMessagesResponse>"
        )

    def _Renew(self, _: object) -> str:
        return (
            "<wsnt:RenewResponse><wsnt:TerminationTime>2026-11-23T12:01:00Z</wsnt:TerminationTime></wsnt:RenewResponse>"
        )

    def _Unsubscribe(self, _: object) -> str:
        return "<wsnt:UnsubscribeResponse/>"

    def _SetSynchronizationPoint(self, _: object) -> str:
        return "<tev:SetSynchronizationPointResponse/>"


def _profile1(token: str, source: str, encoding: str, width: int, height: int) -> str:
    return (
        f'<trt:Profiles token="{token}"><tt:Name>{token}</tt:Name>'
        f'<tt:VideoSourceConfiguration token="v"><tt:SourceToken>{source}</tt:SourceToken>'
        f'</tt:VideoSourceConfiguration><tt:VideoEncoderConfiguration token="e"><tt:Encoding>{encoding}</tt:Encoding>'
        f"{_picture(width, height)}</tt:VideoEncoderConfiguration></trt:Profiles>"
    )


def _profile2(token: str, source: str, encoding: str, width: int, height: int) -> str:
    return (
        f'<tr2:Profiles token="{token}"><tr2:Name>{token}</tr2:Name><tr2:Configurations>'
        f'<tr2:VideoSource token="v"><tt:SourceToken>{source}</tt:SourceToken></tr2:VideoSource>'
        f'<tr2:VideoEncoder token="e"><tt:Encoding>{encoding}</tt:Encoding>'
        f"{_picture(width, height)}</tr2:VideoEncoder></tr2:Configurations></tr2:Profiles>"
    )


def _picture(width: int, height: int) -> str:
    return (
        f"<tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height></tt:Resolution>"
        "<tt:RateControl><tt:FrameRateLimit>25</tt:FrameRateLimit><tt:BitrateLimit>2048</tt:BitrateLimit></tt:RateControl>"
    )


def notification(topic: str, source: str, data: str, operation: str = "Changed") -> str:
    """Return one NotificationMessage; `source` and `data` are SimpleItem elements."""
    return (
        "<wsnt:NotificationMessage>"
        f'<wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">{topic}</wsnt:Topic>'
        f'<wsnt:Message><tt:Message UtcTime="2026-11-23T12:00:00Z" PropertyOperation="{operation}">'
        f"<tt:Source>{source}</tt:Source><tt:Data>{data}</tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage>"
    )
