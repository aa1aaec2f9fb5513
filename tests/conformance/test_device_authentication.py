"""Who gets in, how, and what the others are told: every authentication mode against the whole endpoint."""

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from soap_kit import PASSWORDS, PEER, SOAP11, SOAP12, TDS, Kit, body_of, envelope, fault_of, request, token

from gateway.domain.access import Secret
from gateway.onvif.faults import Receiver, SoapFault
from gateway.protocols.http_auth import DigestClient

Validate = Callable[..., dict[str, Any]]

PUBLIC = (
    "GetSystemDateAndTime",
    "GetServices",
    "GetCapabilities",
    "GetServiceCapabilities",
    "GetHostname",
    "GetEndpointReference",
    "GetWsdlUrl",
)
INFORMATION = request("GetDeviceInformation")


@pytest.mark.parametrize("operation", PUBLIC)
@pytest.mark.parametrize("credentials", ["none", "right", "wrong", "stale", "nonsense"])
async def test_public_operations_look_at_no_credentials(
    operation: str, credentials: str, kit: Kit, validate: Validate
) -> None:
    header = {
        "none": "",
        "right": kit.token("root"),
        "wrong": token("root", "wrong", "2023-11-14T22:13:20Z"),
        "stale": token("root", PASSWORDS["root"], "2001-01-01T00:00:00Z"),
        "nonsense": "<Security xmlns='http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd'/>",
    }[credentials]
    authorization = 'Digest username="root", response="00"' if credentials == "wrong" else None
    response = await kit.post(envelope(request(operation), header), authorization=authorization)
    assert response.status == 200
    validate(response.body, operation)
    assert not kit.gatekeeper.blocked(PEER)


async def test_nobody_is_challenged_for_digest_and_told_in_soap(kit: Kit) -> None:
    response = await kit.call(INFORMATION, "")
    assert response.status == 401
    assert [re.findall(r"^Digest|algorithm=\"?([A-Z0-9-]+)", challenge)[1] for challenge in response.challenges] == [
        "MD5",
        "SHA-256",
    ]
    fault = fault_of(response)
    assert (fault.code, fault.subcodes) == ("env:Sender", ("ter:NotAuthorized",))
    assert fault.reason == "Sender not Authorized: credentials are needed"


@pytest.mark.parametrize("user", PASSWORDS)
async def test_both_ways_of_login_work_for_everybody(user: str, kit: Kit, validate: Validate) -> None:
    by_token = await kit.call(INFORMATION, user)
    by_digest = await kit.call_digest(INFORMATION, user)
    both = await kit.call_digest(INFORMATION, user, header=kit.token(user))
    for response in (by_token, by_digest):
        assert response.status == 200
        assert response.challenges == ()
        validate(response.body, "GetDeviceInformation")
    assert both.status == 200


async def test_a_request_with_a_valid_token_is_never_challenged(kit: Kit) -> None:
    data = envelope(INFORMATION, kit.token("root"))
    assert (await kit.post(data)).challenges == ()
    data = envelope(INFORMATION, kit.token("root"))
    basic = await kit.post(data, authorization="Basic cm9vdDpibHVl")
    assert (basic.status, basic.challenges) == (200, ())


async def test_with_both_given_both_must_pass(kit: Kit) -> None:
    wrong_token = await kit.call_digest(INFORMATION, header=token("root", "wrong", "2023-11-14T22:13:20Z"))
    assert (wrong_token.status, fault_of(wrong_token).subcodes) == (400, ("ter:NotAuthorized",))
    wrong_digest = await kit.post(
        envelope(INFORMATION, kit.token("root")), authorization='Digest username="root", response="00"'
    )
    assert (wrong_digest.status, len(wrong_digest.challenges)) == (401, 2)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (token("root", "wrong", "2023-11-14T22:13:20Z"), "the user name or password is wrong"),
        (token("nobody", "wrong", "2023-11-14T22:13:20Z"), "the user name or password is wrong"),
        (token("root", PASSWORDS["root"], "2001-01-01T00:00:00Z"), "Created lies more than five minutes from"),
        (token("root", PASSWORDS["root"], ""), "Username, Password, Nonce and Created are all needed"),
        (
            token("root", PASSWORDS["root"], "2023-11-14T22:13:20Z", kind=' Type="urn:x#PasswordText"'),
            "a password in clear text is not accepted",
        ),
    ],
)
async def test_a_refused_token_is_a_fault_without_challenge(header: str, reason: str, kit: Kit) -> None:
    response = await kit.post(envelope(INFORMATION, header))
    fault = fault_of(response)
    assert (response.status, response.challenges) == (400, ())
    assert (fault.code, fault.subcodes) == ("env:Sender", ("ter:NotAuthorized",))
    assert fault.reason.startswith(f"Sender not Authorized: {reason}")


async def test_a_replayed_token_is_refused(kit: Kit) -> None:
    data = envelope(INFORMATION, kit.token("root"))
    assert (await kit.post(data)).status == 200
    again = await kit.post(data)
    assert again.status == 400
    assert fault_of(again).reason == "Sender not Authorized: the nonce was used before"


async def test_clear_text_passwords_only_where_switched_on() -> None:
    text = token("root", "x", "", kind=' Type="urn:x#PasswordText"')
    header = re.sub(r"(<Password[^>]*>)[^<]*", rf"\g<1>{PASSWORDS['root']}", text)
    assert (await Kit(allow_text=True).post(envelope(INFORMATION, header))).status == 200


@pytest.mark.parametrize(
    ("user", "operation", "allowed"),
    [
        ("viewer", "GetScopes", True),
        ("viewer", "GetUsers", False),
        ("viewer", "SystemReboot", False),
        ("operator", "GetUsers", False),
        ("operator", "GetRelayOutputs", True),
        ("operator", "SystemReboot", False),
        ("root", "GetUsers", True),
        ("root", "SystemReboot", True),
    ],
)
@pytest.mark.parametrize("way", ["token", "digest"])
async def test_access_classes_hold(user: str, operation: str, allowed: bool, way: str, kit: Kit) -> None:  # noqa: FBT001
    call = kit.call if way == "token" else kit.call_digest
    response = await call(request(operation), user)
    if allowed:
        assert response.status == 200
    else:
        assert (response.status, response.challenges) == (400, ())
        assert fault_of(response).subcodes == ("ter:NotAuthorized",)
        assert kit.events == []


async def test_a_vms_may_guess_a_few_times_but_not_for_ever(kit: Kit) -> None:
    for number in range(10):
        response = await kit.post(envelope(INFORMATION, token("admin", f"guess {number}", "2023-11-14T22:13:20Z")))
        assert response.status == 400
    assert (await kit.call(INFORMATION)).status == 200
    for number in range(30):
        await kit.post(envelope(INFORMATION, token("admin", f"guess {number}", "2023-11-14T22:13:20Z")))
    blocked = await kit.call(INFORMATION)
    assert (blocked.status, blocked.challenges) == (400, ())
    assert fault_of(blocked).reason.startswith("Sender not Authorized: too many failures from this address")
    assert (await kit.call(INFORMATION, peer="198.51.100.8")).status == 200
    assert (await kit.call(request("GetSystemDateAndTime"), "")).status == 200
    digest = await kit.post(envelope(INFORMATION), authorization='Digest username="root", response="00"')
    assert (digest.status, digest.challenges) == (400, ())


async def test_named_networks_may_view_without_login() -> None:
    kit = Kit(anonymous="198.51.100.0/24")
    assert (await kit.call(INFORMATION, "")).status == 200
    assert (await kit.call(request("SystemReboot"), "")).status == 401
    assert (await kit.call(INFORMATION, "", peer="203.0.113.1")).status == 401


async def test_some_clients_hear_a_fault_instead_of_a_challenge() -> None:
    def answer(content: dict[str, Any]) -> SoapFault | None:
        if content["Name"] == "recorder":
            return SoapFault(Receiver, "Action", "MaxNVTProfiles", "no more profiles")
        return None

    kit = Kit(anonymous_faults={f"{{{TDS}}}SetHostname": answer})
    fault = fault_of(await kit.call(request("SetHostname", Name="recorder"), ""))
    assert fault.subcodes == ("ter:Action", "ter:MaxNVTProfiles")
    assert (await kit.call(request("SetHostname", Name="other"), "")).status == 401
    assert (await kit.call(request("SetHostname", Name="recorder"))).status == 200


async def test_a_stale_nonce_can_be_replaced(kit: Kit) -> None:
    data = envelope(INFORMATION)
    client = DigestClient("root", Secret(PASSWORDS["root"]))
    assert client.challenged((await kit.post(data)).challenges)
    await kit.clock.advance(3600)
    late = await kit.post(data, authorization=client.authorization("POST", "/onvif/device_service"))
    assert late.status == 401
    assert all("stale=true" in challenge for challenge in late.challenges)
    assert client.challenged(late.challenges)
    again = await kit.post(data, authorization=client.authorization("POST", "/onvif/device_service"))
    assert again.status == 200


UNKNOWN = ("<x:DoIt xmlns:x='urn:vendor'/>", "<tds:StartFirmwareUpgrade/>", "<tds:Nonsense/>", "<DoIt/>")


@pytest.mark.parametrize("body", UNKNOWN)
async def test_every_unknown_operation_gets_the_words_that_clients_look_for(body: str, kit: Kit) -> None:
    response = await kit.call(body)
    fault = fault_of(response)
    assert response.status == 500
    assert (fault.code, fault.subcodes) == ("env:Receiver", ("ter:ActionNotSupported",))
    assert "not implemented" in fault.reason
    assert "ActionNotSupported" in fault.reason


@pytest.mark.parametrize(
    ("body", "codes", "reason"),
    [
        (request("SetHostname"), ("ter:InvalidArgs",), "SetHostname lacks Name"),
        (
            request("SetDiscoveryMode", DiscoveryMode="Sometimes"),
            ("ter:InvalidArgVal",),
            "DiscoveryMode can't be 'Sometimes': one of Discoverable, NonDiscoverable is expected",
        ),
    ],
)
async def test_invalid_arguments_are_named(body: str, codes: tuple[str, ...], reason: str, kit: Kit) -> None:
    fault = fault_of(await kit.call(body))
    assert (fault.code, fault.subcodes, fault.reason) == ("env:Sender", codes, reason)


@pytest.mark.parametrize(
    ("data", "status", "code", "subcodes"),
    [
        (b"not xml", 400, "env:Sender", ("ter:WellFormed",)),
        (b"<html/>", 500, "env:VersionMismatch", ()),
        (envelope("", ""), 400, "env:Sender", ("ter:WellFormed",)),
        (envelope(INFORMATION, "<x xmlns='urn:y' s:mustUnderstand='1'/>"), 500, "env:MustUnderstand", ()),
        (b"x" * 300_000, 413, "env:Sender", ("ter:InvalidArgs",)),
    ],
)
async def test_broken_messages_get_a_fault(
    data: bytes, status: int, code: str, subcodes: tuple[str, ...], kit: Kit
) -> None:
    response = await kit.post(data)
    fault = fault_of(response)
    assert (response.status, fault.code, fault.subcodes) == (status, code, subcodes)


async def test_soap_1_1_is_answered_in_kind(kit: Kit, validate: Validate) -> None:
    response = await kit.call(INFORMATION, soap=SOAP11)
    assert response.content_type == "text/xml; charset=utf-8"
    validate(response.body, "GetDeviceInformation")
    fault = body_of((await kit.call(INFORMATION, "", soap=SOAP11)).body)
    assert fault.tag == f"{{{SOAP11}}}Fault"
    assert fault.findtext("faultcode") == "env:Client"


async def test_soap_1_2_has_its_own_content_type(kit: Kit) -> None:
    response = await kit.call(INFORMATION)
    assert response.content_type == "application/soap+xml; charset=utf-8"
    assert body_of(response.body).getparent().tag == f"{{{SOAP12}}}Body"


WSA = "http://www.w3.org/2005/08/addressing"
ADDRESSED = f"<a:Action xmlns:a='{WSA}'>urn:x</a:Action><a:MessageID xmlns:a='{WSA}'>urn:uuid:1</a:MessageID>"


async def test_addressing_is_answered_with_the_contract_s_action(kit: Kit) -> None:
    root = body_of((await kit.call(INFORMATION, header=ADDRESSED)).body).getroottree()
    assert root.findtext(f".//{{{WSA}}}Action") == f"{TDS}/Device/GetDeviceInformationResponse"
    assert root.findtext(f".//{{{WSA}}}RelatesTo") == "urn:uuid:1"
    fault = body_of((await kit.call("<tds:Nonsense/>", header=ADDRESSED)).body).getroottree()
    assert fault.findtext(f".//{{{WSA}}}Action") == f"{WSA}/soap/fault"


async def test_one_log_line_per_request_and_no_secrets_in_it(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await kit.call(INFORMATION)
    await kit.post(envelope(INFORMATION, token("ro\u2028ot", "wrong", "2023-11-14T22:13:20Z")))
    lines = [record.getMessage() for record in caplog.records if record.name == "gateway.onvif.endpoint"]
    start, reason = "soap operation=GetDeviceInformation", "Sender not Authorized: the user name or password is wrong"
    assert lines == [
        f"{start} account=root address={PEER} status=200 ms=0.0",
        f"{start} account=ro?ot address={PEER} status=400 ms=0.0 reason={reason}",
    ]
    assert not any(word in caplog.text for word in PASSWORDS.values())
