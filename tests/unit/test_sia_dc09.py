"""DC-09 frames against the standard's example and two foreign readers; codes; zones; settings."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pysiaalarm import SIAAccount
from pysiaalarm.event import SIAEvent
from siadc09.message import parse_frame

from gateway.config import ConfigError, settings_for
from gateway.domain.access import Secret
from gateway.domain.errors import GatewayError
from gateway.domain.event import Event, PropertyOperation
from gateway.testing.sinks import DictMemory, motion, sink_context
from gateway_sia_dc09.codes import DEFAULT_RULES, TEST, CodeRule, Codes, Signal
from gateway_sia_dc09.frame import PADDING, Frame, crc, pack, parse
from gateway_sia_dc09.link import ReceiverSettings
from gateway_sia_dc09.sink import SiaSettings, SiaSink
from gateway_sia_dc09.zones import give_zones

NOON = datetime(2026, 11, 22, 12, 0, 7, tzinfo=UTC)
STATION = (ReceiverSettings("192.0.2.1", 9000),)
PADS = "Q" * PADDING
MOTION = Signal(DEFAULT_RULES[0], zone=7)
KEYS = st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
PLAIN = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='[]|"'), max_size=40)
HEXADECIMAL = "0123456789ABCDEF"


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    moment = draw(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    return Frame(
        draw(st.sampled_from(["SIA-DCS", "ADM-CID", "NULL", "ACK", "NAK", "DUH"])),
        draw(st.integers(0, 9999)),
        draw(st.text(HEXADECIMAL, min_size=3, max_size=16)),
        draw(st.just("") | PLAIN.map(lambda text: f"#123|{text}")),
        tuple(f"I{text}" for text in draw(st.lists(PLAIN, max_size=3))),
        moment.replace(microsecond=0),
        draw(st.just("") | st.text(HEXADECIMAL, min_size=1, max_size=6)),
        draw(st.text(HEXADECIMAL, min_size=1, max_size=6)),
        draw(st.booleans()),
    )


@given(frames(), KEYS, st.text(HEXADECIMAL, min_size=PADDING, max_size=PADDING))
def test_what_is_packed_is_parsed(frame: Frame, key: bytes, padding: str) -> None:
    raw = pack(frame, key, padding)
    assert (raw[:1], raw[-1:]) == (b"\n", b"\r")
    assert parse(raw, key) == frame


@given(st.binary(max_size=80) | frames().map(lambda frame: pack(frame, b"k" * 16, PADS)), st.data())
def test_whatever_comes_is_a_frame_or_an_error(raw: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, max(0, len(raw) - 1)))
    damaged = raw[:place] + data.draw(st.binary(max_size=3)) + raw[place + 1 :]
    try:
        found = parse(damaged, b"k" * 16)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either is right
    else:
        assert isinstance(found, Frame)


def test_a_message_of_the_standard() -> None:
    message = '"SIA-DCS"9876R579BDFL789ABC#12345A[#12345A|NFA129][S123Main St., 55123]_13:14:15,02-15-2006'
    moment = datetime(2006, 2, 15, 13, 14, 15, tzinfo=UTC)
    frame = Frame("SIA-DCS", 9876, "12345A", "#12345A|NFA129", ("S123Main St., 55123",), moment, "579BDF", "789ABC")
    assert pack(frame) == f"\n{crc(message.encode()):04X}{len(message):04X}{message}\r".encode()
    assert crc(b"123456789") == 0xBB3D, "the check value of this CRC"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "'' is no frame of DC-09"),
        (b"\nnonsense\r", "'nonsense' is no frame of DC-09"),
        (b'\n00000012"ACK"0001L0#123[]\r', "the length 0012 is wrong for 17 characters"),
        (b'\n00000011"ACK"0001L0#123[]\r', "the CRC is 0000, not "),
        (pack(Frame("ACK", 1, "123", encrypted=True), b"k" * 16, PADS), "the frame is encrypted, and there is no key"),
    ],
)
def test_what_is_no_frame_is_named(raw: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        parse(raw)


def test_what_can_not_be_packed_is_named() -> None:
    with pytest.raises(ValueError, match="a message of 5022 characters is longer than 4095"):
        pack(Frame("SIA-DCS", 1, "1234", "x" * 5000))
    with pytest.raises(ValueError, match="3 characters of padding are too few"):
        pack(Frame("NULL", 0, "1234", encrypted=True), b"k" * 16, "abc")
    with pytest.raises(ValueError, match="the content of ACK can't be read; is the key right"):
        parse(pack(Frame("ACK", 1, "123", timestamp=NOON, encrypted=True), b"k" * 16, PADS), b"x" * 16)


@pytest.mark.parametrize("key", [None, "A" * 16, "b" * 24, "0123456789abcdef" * 2])
@pytest.mark.parametrize("rule", [*DEFAULT_RULES, TEST], ids=lambda rule: rule.sia)
def test_foreign_receivers_understand_every_report(rule: CodeRule, key: str | None) -> None:
    accounts = {"123A": SIAAccount("123A", key)}
    secret = key.encode() if key else None
    for restored in (False, True) if rule.restore else (False,):
        signal = Signal(rule, restored=restored, zone=7, area=2)
        for token, data in (("SIA-DCS", signal.sia_data("123A")), ("ADM-CID", signal.cid_data("123A"))):
            frame = Frame(token, 12, "123A", data, ("IFront door",), NOON, "1", "2F", secret is not None)
            raw = pack(frame, secret, PADS)
            event = SIAEvent.from_line(raw.decode().strip(), accounts)
            assert event.valid_message
            assert not event.code_not_found, (event.code, event.event_type)
            assert (event.account, event.sequence, event.line, event.receiver) == ("123A", "0012", "L2F", "R1")
            assert event.timestamp == NOON
            read = parse_frame(raw, secret)
            assert (read.idtoken, read.seq, read.account.acct, str(read.xdata[0].value)) == (
                token,
                12,
                0x123A,
                "Front door",
            )
            if token == "SIA-DCS":
                assert (event.code, event.ri, event.message) == (rule.restore if restored else rule.sia, "2", "007")
            else:
                told = (event.event_qualifier, event.event_type, event.partition, event.ri)
                assert told == ("3" if restored else "1", rule.cid, "02", "007")


@pytest.mark.parametrize("key", [None, "k" * 16])
def test_foreign_receivers_understand_a_link_test(key: str | None) -> None:
    secret = key.encode() if key else None
    raw = pack(Frame("NULL", 0, "123A", timestamp=NOON, encrypted=secret is not None), secret, PADS)
    event = SIAEvent.from_line(raw.decode().strip(), {"123A": SIAAccount("123A", key)})
    assert (event.valid_message, event.code) == (True, "RP")
    assert parse_frame(raw, secret).idtoken == "NULL"


def event(topic: str, value: object, operation: PropertyOperation = PropertyOperation.CHANGED) -> Event:
    return Event.of(f"tns1:{topic}", data={"State": value}).told(operation, 1)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (event("VideoSource/MotionAlarm", value=True), ("BA", False)),
        (event("VideoSource/MotionAlarm", value=False), ("BA", True)),
        (event("VideoSource/MotionAlarm", "true", PropertyOperation.INITIALIZED), ("BA", False)),
        (event("VideoSource/MotionAlarm", "false", PropertyOperation.INITIALIZED), None),
        (event("VideoSource/MotionAlarm", "true", PropertyOperation.DELETED), ("BA", True)),
        (event("VideoSource/MotionAlarm", "false", PropertyOperation.DELETED), None),
        (event("VideoSource/ImageTooDark/AnalyticsService", value=True), ("TA", False)),
        (event("Device/HardwareFailure/StorageFailure", value=True), ("YX", False)),
        (event("Device/HardwareFailure/PowerSupplyFailure", value=True), ("AT", False)),
        (event("Monitoring/OperatingTime/LastReboot", "2026-11-22T08:00:00Z"), ("RR", False)),
        (Event("tns1:VideoSource/SignalLoss", utc_ns=1), ("UT", False)),
        (event("RecordingConfig/JobState", "Active"), None),
    ],
)
def test_what_is_reported_of_an_event(told: Event, expected: tuple[str, bool] | None) -> None:
    found = Codes(()).find(told)
    assert (found and (found[0].sia, found[1])) == expected


def test_the_operators_codes_come_first() -> None:
    codes = Codes([CodeRule("tns1:VideoSource//.", "HA", "HR", "120"), CodeRule("tns1:A/B", "QA")])
    found = codes.find(event("VideoSource/SignalLoss", value=True))
    assert found is not None
    assert Signal(*found, zone=3).sia_data("123") == "#123|Nri1/HA003"
    assert Signal(*found, zone=3).cid_data("123") == "#123|1120 01 003"
    unsent = codes.find(event("A/B", value=False))
    assert unsent is not None
    assert (Signal(*unsent).sia_data("123"), Signal(*unsent).cid_data("123")) == ("", "")


def test_zones_are_stable_and_never_given_twice() -> None:
    zones, known = give_zones(["door", "gate"], {"gate": 1}, {})
    assert zones == known == {"door": 2, "gate": 1}
    zones, known = give_zones(["hall", "gate"], {}, known)
    assert zones == {"hall": 3, "gate": 1}
    assert known == {"hall": 3, "gate": 1, "door": 2}, "the number of a camera that is gone is nobody else's"
    assert give_zones(["door", "hall", "gate"], {}, known)[0] == {"door": 2, "hall": 3, "gate": 1}
    assert give_zones(["gate"], {"gate": 2}, known) == ({"gate": 2}, {"hall": 3, "gate": 2})


@pytest.mark.parametrize(
    ("configured", "known", "problem"),
    [
        (
            {"gate": 1},
            {"door": 1},
            "zones: the number 1 of 'gate' is that of 'door' already; give 'door' another",
        ),
        ({"cellar": 1}, {}, "zones: there is no camera 'cellar'"),
        ({}, {f"c{number}": number for number in range(1, 1000)}, "zones: no number up to 999 is left for 'door'"),
    ],
)
def test_conflicting_zones_are_an_error(configured: dict[str, int], known: dict[str, int], problem: str) -> None:
    memory = DictMemory()
    memory.store("zones", known)
    with pytest.raises(GatewayError, match=problem):
        SiaSink(SiaSettings(STATION, "1234", zones=configured), sink_context(memory))


def test_the_sink_remembers_zones_and_wants_what_it_can_report() -> None:
    memory = DictMemory()
    sink = SiaSink(SiaSettings(STATION, "1234", zones={"gate": 1}), sink_context(memory))
    assert sink.zones == memory.load("zones") == {"door": 2, "gate": 1}
    assert sink.wants(motion().event)
    assert not sink.wants(event("RecordingConfig/JobState", "Active"))
    contact = SiaSink(SiaSettings(STATION, "1234", "ADM-CID", codes=(CodeRule("tns1:A/B", "QA"),)), sink_context())
    assert not contact.wants(event("A/B", value=True)), "it has no code of Contact ID"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"account": "12G4"}, "settings: account: '12G4' must be 3 to 16 hexadecimal digits"),
        ({"line": ""}, "settings: line: '' must be 1 to 6 hexadecimal digits"),
        ({"receivers": []}, "settings: receivers: there must be one or two, not 0"),
        ({"receivers": [{"host": "a b", "port": 1}]}, "settings.receivers[0]: host: 'a b' is no address"),
        ({"receivers": [{"host": "a", "port": 0}]}, "settings.receivers[0]: port: must be from 1 to 65535, not 0"),
        ({"timeout": 60}, "settings: timeout: must be from 1 to 10, not 60"),
        ({"test_every": 1}, "settings: test_every: must be 0 or from 5 to 86400 seconds, not 1"),
        ({"zones": {"door": 1, "gate": 1}}, "settings: zones: 'door' and 'gate' both have the number 1"),
        ({"zones": {"door": 1000}}, "settings: zones: 'door' must have a number from 1 to 999, not 1000"),
        ({"zones": {"door": True}}, "settings: zones: 'door' must have a number from 1 to 999, not True"),
        ({"codes": [{"topic": "tns1:A", "sia": "ba"}]}, "settings.codes[0]: sia: 'ba' is no code"),
        ({"codes": [{"topic": "tns1:A", "cid": "13"}]}, "settings.codes[0]: cid: '13' is no code"),
        ({"codes": [{"topic": "A"}]}, "settings.codes[0]: 'A' is no topic"),
        ({"key": {"env": "KEY"}}, "settings: key: it must have 32, 48 or 64 hexadecimal digits"),
        ({"key": {"env": "KEY"}, "key_format": "ascii"}, "settings: key: it must have 16, 24 or 32 ASCII characters"),
    ],
)
def test_wrong_settings_are_named(keys: dict[str, Any], problem: str) -> None:
    table = {"receivers": [{"host": "192.0.2.1", "port": 9000}], "account": "1234", **keys}
    with pytest.raises(ConfigError) as caught:
        settings_for(SiaSink, table, "settings", base=Path(), environment={"KEY": "hush"})
    assert caught.value.problems[0].startswith(problem)
    assert "hush" not in str(caught.value)


def test_a_key_is_hexadecimal_or_text() -> None:
    assert SiaSettings(STATION, "123", key=Secret("0f" * 16)).key_bytes() == b"\x0f" * 16
    assert SiaSettings(STATION, "123", key=Secret("k" * 24), key_format="ascii").key_bytes() == b"k" * 24
