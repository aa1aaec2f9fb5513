"""Every Device operation: its answer is valid and true; what can't be done is refused with the right fault."""

from collections.abc import Callable
from typing import Any

import pytest
from soap_kit import PASSWORDS, SETTINGS, TDS, Kit, fault_of, request

from gateway.onvif.device import DeviceService

Validate = Callable[..., dict[str, Any]]
Content = dict[str, object]

WITHOUT_ARGUMENTS = (
    "GetWsdlUrl",
    "GetDeviceInformation",
    "GetEndpointReference",
    "GetSystemDateAndTime",
    "GetHostname",
    "GetDNS",
    "GetNTP",
    "GetDynamicDNS",
    "GetNetworkInterfaces",
    "GetNetworkProtocols",
    "GetNetworkDefaultGateway",
    "GetZeroConfiguration",
    "GetScopes",
    "GetDiscoveryMode",
    "GetUsers",
    "GetServiceCapabilities",
    "GetCapabilities",
    "GetSystemUris",
    "GetRelayOutputs",
    "SystemReboot",
)
ADDED = "onvif://www.onvif.org/location/country/nowhere"
FIXED = "onvif://www.onvif.org/type/video_encoder"
ZONE = "CET-1CEST,M3.5.0,M10.5.0/3"


@pytest.mark.parametrize("operation", WITHOUT_ARGUMENTS)
async def test_an_operation_without_arguments_answers_validly(operation: str, kit: Kit, validate: Validate) -> None:
    response = await kit.call(request(operation))
    assert response.status == 200, response.body
    validate(response.body, operation)


@pytest.mark.parametrize("include", ["true", "false"])
async def test_get_services(include: str, kit: Kit, validate: Validate) -> None:
    response = await kit.call(request("GetServices", IncludeCapability=include), "")
    services = validate(response.body, "GetServices")["Service"]
    assert [service["Namespace"] for service in services] == [TDS]
    assert services[0]["XAddr"] == "http://192.0.2.10:8080/onvif/device_service"
    assert services[0]["Version"] == {"Major": 26, "Minor": 6}
    assert ("Capabilities" in services[0]) == (include == "true")


async def test_get_services_and_get_service_capabilities_agree(kit: Kit, validate: Validate) -> None:
    listed = validate((await kit.call(request("GetServices", IncludeCapability="1"))).body, "GetServices")
    own = validate((await kit.call(request("GetServiceCapabilities"))).body, "GetServiceCapabilities")
    element = listed["Service"][0]["Capabilities"]["_any"][0]
    assert kit.codec.decode(element) == own["Capabilities"]
    assert own["Capabilities"]["Security"]["UsernameToken"] is True
    assert own["Capabilities"]["Security"]["HashingAlgorithms"] == ["MD5", "SHA-256"]


async def test_get_capabilities_holds_only_what_is_registered(kit: Kit, validate: Validate) -> None:
    response = await kit.call(request("GetCapabilities", Category="All"))
    found = validate(response.body, "GetCapabilities")["Capabilities"]
    assert list(found) == ["Device"]
    assert found["Device"]["System"]["SupportedVersions"] == [{"Major": 26, "Minor": 6}]


async def test_capabilities_of_a_missing_service_are_refused(kit: Kit) -> None:
    fault = fault_of(await kit.call(request("GetCapabilities", Category="PTZ")))
    assert fault.subcodes == ("ter:ActionNotSupported", "ter:NoSuchService")
    assert fault.reason == "the device has no PTZ service"


async def test_device_information(kit: Kit, validate: Validate) -> None:
    found = validate((await kit.call(request("GetDeviceInformation"))).body, "GetDeviceInformation")
    assert found == {
        "Manufacturer": "Acme",
        "Model": "Recorder One",
        "FirmwareVersion": "1.2.3",
        "SerialNumber": "GW-0042",
        "HardwareId": "HW-7",
    }


async def test_the_time_is_ours_and_kept_by_ntp(kit: Kit, validate: Validate) -> None:
    response = await kit.call(request("GetSystemDateAndTime"), "")
    found = validate(response.body, "GetSystemDateAndTime")["SystemDateAndTime"]
    assert found["DateTimeType"] == "NTP"
    assert found["UTCDateTime"] == {
        "Time": {"Hour": 22, "Minute": 13, "Second": 20},
        "Date": {"Year": 2023, "Month": 11, "Day": 14},
    }


def set_time(kind: str = "Manual", *, zone: str = "", moment: str = "") -> str:
    content: Content = {"DateTimeType": kind, "DaylightSavings": "false"}
    if zone:
        content["TimeZone"] = {"TZ": zone}
    if moment:
        year, month, day, hour, minute, second = moment.split()
        date = {"Year": year, "Month": month, "Day": day}
        content["UTCDateTime"] = {"Time": {"Hour": hour, "Minute": minute, "Second": second}, "Date": date}
    return request("SetSystemDateAndTime", **content)


@pytest.mark.parametrize(
    ("body", "detail", "reason"),
    [
        (set_time(zone="Nowhere"), "InvalidTimeZone", "'Nowhere' is not a POSIX time zone"),
        (set_time(), "InvalidDateTime", "a manual time needs UTCDateTime"),
        (set_time(moment="2026 13 40 1 1 1"), "InvalidDateTime", "2026-13-40-1-1-1 is not a date and time"),
        (
            set_time(moment="2030 1 1 1 1 1"),
            "TimeSyncedToNtp",
            "the time can't be set to 2030-01-01T01:01:01Z: the host's clock is kept by NTP",
        ),
    ],
)
async def test_wrong_times_are_refused(body: str, detail: str, reason: str, kit: Kit) -> None:
    fault = fault_of(await kit.call(body))
    assert fault.subcodes == ("ter:InvalidArgVal", f"ter:{detail}")
    assert fault.reason == reason


async def test_our_own_time_is_accepted_and_the_time_zone_kept(kit: Kit, validate: Validate) -> None:
    response = await kit.call(set_time(zone=ZONE, moment="2023 11 14 22 13 19"))
    validate(response.body, "SetSystemDateAndTime")
    validate((await kit.call(set_time("NTP"))).body, "SetSystemDateAndTime")
    found = validate((await kit.call(request("GetSystemDateAndTime"))).body, "GetSystemDateAndTime")
    assert found["SystemDateAndTime"]["TimeZone"] == {"TZ": ZONE}
    assert "LocalDateTime" not in found["SystemDateAndTime"]


async def test_the_interface_that_the_client_reached_comes_last(kit: Kit, validate: Validate) -> None:
    response = await kit.call(request("GetNetworkInterfaces"))
    found = validate(response.body, "GetNetworkInterfaces")["NetworkInterfaces"]
    assert [item["token"] for item in found] == ["eth1", "eth0"]
    last = found[-1]
    assert last["Enabled"] is True
    assert last["Info"]["HwAddress"] == "02:42:c0:00:02:0a"
    assert last["IPv4"]["Config"]["Manual"] == [{"Address": "192.0.2.10", "PrefixLength": 24}]
    assert last["IPv6"]["Config"]["LinkLocal"] == [{"Address": "fe80::1", "PrefixLength": 64}]


async def test_ports_are_true(kit: Kit, validate: Validate) -> None:
    response = await kit.call(request("GetNetworkProtocols"))
    found = validate(response.body, "GetNetworkProtocols")["NetworkProtocols"]
    assert [(item["Name"], item["Port"]) for item in found] == [("HTTP", [8080]), ("RTSP", [8554])]


def dns(address: str, kind: str = "IPv4") -> Content:
    return {"FromDHCP": "false", "DNSManual": {"Type": kind, f"{kind}Address": address}}


def ntp(name: str) -> Content:
    return {"FromDHCP": "false", "NTPManual": {"Type": "DNS", "DNSname": name}}


def protocol(name: str, enabled: str, port: str) -> Content:
    return {"NetworkProtocols": {"Name": name, "Enabled": enabled, "Port": port}}


def interface(token: str, **settings: object) -> Content:
    return {"InterfaceToken": token, "NetworkInterface": settings}


RELAY = {"Mode": "Bistable", "DelayTime": "PT0S", "IdleState": "open"}
PRESENT: list[tuple[str, Content]] = [
    ("SetHostname", {"Name": "recorder"}),
    ("SetHostnameFromDHCP", {"FromDHCP": "false"}),
    ("SetDNS", dns("192.0.2.53")),
    ("SetNTP", {"FromDHCP": "false"}),
    ("SetDynamicDNS", {"Type": "NoUpdate"}),
    ("SetNetworkInterfaces", interface("eth0", Enabled="true")),
    ("SetNetworkProtocols", protocol("RTSP", "true", "8554")),
    ("SetNetworkDefaultGateway", {"IPv4Address": "192.0.2.1"}),
    ("SetZeroConfiguration", {"InterfaceToken": "eth0", "Enabled": "false"}),
    ("SetDiscoveryMode", {"DiscoveryMode": "Discoverable"}),
    ("SetHashingAlgorithm", {"Algorithm": "MD5 SHA-256"}),
]


@pytest.mark.parametrize(("operation", "content"), PRESENT)
async def test_setting_what_is_so_already_is_accepted(
    operation: str, content: Content, kit: Kit, validate: Validate
) -> None:
    response = await kit.call(request(operation, **content))
    assert response.status == 200, response.body
    validate(response.body, operation)


BAD_ADDRESS = {"Manual": {"Address": "1.2.3.999", "PrefixLength": "8"}}
REFUSED: list[tuple[str, Content, str]] = [
    ("SetHostname", {"Name": "other"}, "OperationProhibited"),
    ("SetHostname", {"Name": "bad_name"}, "InvalidArgVal/InvalidHostname"),
    ("SetHostnameFromDHCP", {"FromDHCP": "true"}, "OperationProhibited"),
    ("SetDNS", dns("10.1.1.1"), "OperationProhibited"),
    ("SetDNS", dns("10.1.1"), "InvalidArgVal/InvalidIPv4Address"),
    ("SetDNS", dns("fe80::g", "IPv6"), "InvalidArgVal/InvalidIPv6Address"),
    ("SetNTP", ntp("pool.ntp.org"), "OperationProhibited"),
    ("SetNTP", ntp("-bad-"), "InvalidArgVal/InvalidDnsName"),
    ("SetDynamicDNS", {"Type": "ClientUpdates"}, "OperationProhibited"),
    ("SetNetworkInterfaces", interface("none"), "InvalidArgVal/InvalidNetworkInterface"),
    ("SetNetworkInterfaces", interface("eth0", MTU="9000"), "OperationProhibited"),
    ("SetNetworkInterfaces", interface("eth0", IPv4=BAD_ADDRESS), "InvalidArgVal/InvalidIPv4Address"),
    ("SetNetworkProtocols", protocol("HTTPS", "true", "443"), "InvalidArgVal/ServiceNotSupported"),
    ("SetNetworkProtocols", protocol("RTSP", "false", "8554"), "OperationProhibited"),
    ("SetNetworkDefaultGateway", {"IPv4Address": "10.1.1.1"}, "OperationProhibited"),
    ("SetNetworkDefaultGateway", {"IPv4Address": "nonsense"}, "InvalidArgVal/InvalidGatewayAddress"),
    ("SetZeroConfiguration", {"InterfaceToken": "eth0", "Enabled": "true"}, "OperationProhibited"),
    ("SetHashingAlgorithm", {"Algorithm": "SHA-1"}, "InvalidArgVal"),
    ("GetSystemLog", {"LogType": "System"}, "InvalidArgs/SystemlogUnavailable"),
    ("GetSystemLog", {"LogType": "Access"}, "InvalidArgs/AccesslogUnavailable"),
    ("GetSystemSupportInformation", {}, "InvalidArgs/SupportInformationUnavailable"),
    ("SetRelayOutputState", {"RelayOutputToken": "r1", "LogicalState": "active"}, "InvalidArgVal/RelayToken"),
    ("SetRelayOutputSettings", {"RelayOutputToken": "r1", "Properties": RELAY}, "InvalidArgVal/RelayToken"),
    ("SendAuxiliaryCommand", {"AuxiliaryCommand": "tt:Wiper|On"}, "InvalidArgVal/AuxiliaryDataNotSupported"),
]


@pytest.mark.parametrize(("operation", "content", "codes"), REFUSED)
async def test_what_the_gateway_cannot_set_is_refused(operation: str, content: Content, codes: str, kit: Kit) -> None:
    response = await kit.call(request(operation, **content))
    fault = fault_of(response)
    assert response.status == 500
    assert fault.code == "env:Sender"
    assert fault.subcodes == tuple(f"ter:{code}" for code in codes.split("/"))


async def test_scopes_are_changed_and_announced(kit: Kit, validate: Validate) -> None:
    assert kit.device.scopes() == (
        FIXED,
        "onvif://www.onvif.org/type/NetworkVideoTransmitter",
        "onvif://www.onvif.org/name/Yard%20recorder",
        "onvif://www.onvif.org/hardware/Recorder%20One",
        "onvif://www.onvif.org/mac/02:42:c0:00:02:0a",
        "onvif://www.onvif.org/location/north%20gate",
    )
    validate((await kit.call(request("AddScopes", ScopeItem=ADDED))).body, "AddScopes")
    found = validate((await kit.call(request("GetScopes"))).body, "GetScopes")["Scopes"]
    assert found[-1] == {"ScopeDef": "Configurable", "ScopeItem": ADDED}
    validate((await kit.call(request("RemoveScopes", ScopeItem=ADDED))).body, "RemoveScopes")
    validate((await kit.call(request("SetScopes", Scopes="urn:mine"))).body, "SetScopes")
    assert kit.device.scopes()[-1] == "urn:mine"
    assert kit.events == ["scopes"] * 3


@pytest.mark.parametrize(
    ("operation", "content", "codes"),
    [
        ("SetScopes", {"Scopes": FIXED}, "OperationProhibited/FixedScope"),
        ("RemoveScopes", {"ScopeItem": FIXED}, "OperationProhibited/FixedScope"),
        ("RemoveScopes", {"ScopeItem": "urn:none"}, "InvalidArgVal/NoScope"),
        ("AddScopes", {"ScopeItem": "no uri"}, "InvalidArgVal"),
        ("AddScopes", {"ScopeItem": [f"urn:x:{number}" for number in range(50)]}, "Action/TooManyScopes"),
    ],
)
async def test_wrong_scopes_are_refused(operation: str, content: Content, codes: str, kit: Kit) -> None:
    before = kit.device.scopes()
    fault = fault_of(await kit.call(request(operation, **content)))
    assert fault.subcodes == tuple(f"ter:{code}" for code in codes.split("/"))
    assert kit.device.scopes() == before


async def test_the_discovery_mode_is_kept(kit: Kit, validate: Validate) -> None:
    response = await kit.call(request("SetDiscoveryMode", DiscoveryMode="NonDiscoverable"))
    validate(response.body, "SetDiscoveryMode")
    assert not kit.device.discoverable
    found = validate((await kit.call(request("GetDiscoveryMode"))).body, "GetDiscoveryMode")
    assert found == {"DiscoveryMode": "NonDiscoverable"}


def user(name: str, level: str = "User", password: str = "") -> Content:
    word = {"Password": password} if password else {}
    return {"Username": name, **word, "UserLevel": level}


GOOD = "Red-Tangent-46"


async def test_users_are_created_changed_and_deleted(kit: Kit, validate: Validate) -> None:
    validate((await kit.call(request("CreateUsers", User=user("guard", "Operator", GOOD)))).body, "CreateUsers")
    listed = validate((await kit.call(request("GetUsers"))).body, "GetUsers")["User"]
    assert {"Username": "guard", "UserLevel": "Operator"} in listed
    assert all("Password" not in entry for entry in listed)
    validate((await kit.call(request("SetUser", User=user("guard")))).body, "SetUser")
    assert kit.store.accounts["guard"].password.reveal() == GOOD
    validate((await kit.call(request("DeleteUsers", Username="guard"))).body, "DeleteUsers")
    assert "guard" not in kit.store.accounts


CROWD = [user(f"person{number}", "User", GOOD) for number in range(64)]


@pytest.mark.parametrize(
    ("operation", "content", "codes"),
    [
        ("CreateUsers", {"User": user("viewer", "User", GOOD)}, "Sender/OperationProhibited/UsernameClash"),
        ("CreateUsers", {"User": user("new")}, "Sender/OperationProhibited/PasswordTooWeak"),
        ("CreateUsers", {"User": user("new", "User", "xyz!" * 50)}, "Sender/OperationProhibited/PasswordTooLong"),
        ("CreateUsers", {"User": user("n" * 65, "User", GOOD)}, "Sender/OperationProhibited/UsernameTooLong"),
        ("CreateUsers", {"User": user("", "User", GOOD)}, "Sender/OperationProhibited/UsernameTooShort"),
        ("CreateUsers", {"User": user("new", "Anonymous", GOOD)}, "Sender/OperationProhibited/AnonymousNotAllowed"),
        ("CreateUsers", {"User": user("new", "Extended", GOOD)}, "Sender/InvalidArgVal"),
        ("CreateUsers", {"User": user("new", "Emperor", GOOD)}, "Sender/InvalidArgVal"),
        ("CreateUsers", {"User": CROWD}, "Receiver/Action/TooManyUsers"),
        ("SetUser", {"User": user("nobody")}, "Sender/InvalidArgVal/UsernameMissing"),
        ("SetUser", {"User": user("root")}, "Sender/InvalidArgVal/FixedUser"),
        ("DeleteUsers", {"Username": "nobody"}, "Sender/InvalidArgVal/UsernameMissing"),
        ("DeleteUsers", {"Username": "root"}, "Sender/InvalidArgVal/FixedUser"),
    ],
)
async def test_wrong_users_are_refused_and_change_nothing(
    operation: str, content: Content, codes: str, kit: Kit
) -> None:
    before = dict(kit.store.accounts)
    fault = fault_of(await kit.call(request(operation, **content)))
    code, *subcodes = codes.split("/")
    assert (fault.code, fault.subcodes) == (f"env:{code}", tuple(f"ter:{name}" for name in subcodes))
    assert kit.store.accounts == before


async def test_creating_users_is_atomic(kit: Kit) -> None:
    both = [user("fresh", "User", GOOD), user("viewer", "User", GOOD)]
    fault_of(await kit.call(request("CreateUsers", User=both)))
    assert set(kit.store.accounts) == set(PASSWORDS)


async def test_reboot_restarts(kit: Kit, validate: Validate) -> None:
    found = validate((await kit.call(request("SystemReboot"))).body, "SystemReboot")
    assert found["Message"] == "The gateway restarts in 5 seconds."
    assert kit.events == ["restart"]


@pytest.mark.parametrize("kind", ["Soft", "Hard"])
async def test_factory_default_forgets_what_clients_set(kind: str, kit: Kit, validate: Validate) -> None:
    await kit.call(request("SetScopes", Scopes="urn:mine"))
    response = await kit.call(request("SetSystemFactoryDefault", FactoryDefault=kind))
    validate(response.body, "SetSystemFactoryDefault")
    assert kit.device.scopes()[-1] == "onvif://www.onvif.org/location/north%20gate"
    assert kit.events[-1] == "reset"


async def test_settings_survive_a_restart(kit: Kit) -> None:
    await kit.call(request("SetScopes", Scopes="urn:mine"))
    await kit.call(request("SetDiscoveryMode", DiscoveryMode="NonDiscoverable"))
    before = kit.device
    after = DeviceService(
        before._identity,
        SETTINGS,
        kit.model,
        before._host,
        before._accounts,
        kit.settings,
        before._actions,
        kit.clock,
    )
    assert after.scopes()[-1] == "urn:mine"
    assert not after.discoverable


MANDATORY = """
AddScopes CreateUsers DeleteUsers GetCapabilities GetDNS GetDeviceInformation GetDiscoveryMode GetHostname
GetNetworkDefaultGateway GetNetworkInterfaces GetNetworkProtocols GetScopes GetServiceCapabilities GetServices
GetSystemDateAndTime GetUsers GetWsdlUrl RemoveScopes SetDNS SetDiscoveryMode SetHostname SetNetworkDefaultGateway
SetNetworkInterfaces SetNetworkProtocols SetScopes SetSystemDateAndTime SetSystemFactoryDefault SetUser SystemReboot
"""


def test_what_profiles_s_t_and_g_make_mandatory_is_there(kit: Kit) -> None:
    have = {operation.name for operation in kit.endpoint.operations()}
    assert set(MANDATORY.split()) <= have
