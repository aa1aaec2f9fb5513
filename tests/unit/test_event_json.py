"""Events as an MQTT broker gets them, held against the examples of ONVIF Core §11.12."""

import json
from typing import Any

import pytest
from lxml import etree
from onvif_calls import CODEC

from gateway.domain.broker import BrokerAddress
from gateway.domain.event import Event, PropertyOperation, TopicDescription
from gateway.onvif.events_json import EventJson, json_of, mqtt_topic

CROSSED = TopicDescription(
    "tns1:RuleEngine/LineDetector/Crossed",
    (("VideoSource", "tt:ReferenceToken"), ("AnalyticsConfiguration", "tt:ReferenceToken"), ("Rule", "xs:string")),
    (("ObjectId", "xs:integer"),),
)
SENSOR = TopicDescription(
    "tns1:Device/Sensor",
    (("SensorID", "xs:string"),),
    (("On", "xs:boolean"), ("Value", "xs:float"), ("Count", "xs:int"), ("Label", "xs:string")),
    key=(("Part", "xs:string"),),
)
JOB = TopicDescription(
    "tns1:RecordingConfig/JobState",
    (("RecordingJobToken", "tt:RecordingJobReference"),),
    (("State", "xs:string"),),
    elements=(("Information", "tt:RecordingJobStateInformation"),),
)
JSON = EventJson(CODEC, lambda: (CROSSED, SENSOR, JOB))
AT = 1_223_641_497_321_000_000


def payload(event: Event) -> Any:
    return json.loads(JSON.payload(event))


def crossing(rule: str = "MyImportantFence1") -> Event:
    source = {"VideoSource": "1", "AnalyticsConfiguration": "2", "Rule": rule}
    return Event.of(CROSSED.topic, source, {"ObjectId": 15}, utc_ns=AT)


def test_the_example_of_the_specification() -> None:
    event = crossing()
    assert mqtt_topic("MyDevice", event) == "MyDevice/onvif-ej/RuleEngine/LineDetector/Crossed/&1/2/MyImportantFence1"
    assert JSON.payload(event) == (
        b'{"UtcTime":"2008-10-10T12:24:57Z","Source":{"VideoSource":"1","AnalyticsConfiguration":"2",'
        b'"Rule":"MyImportantFence1"},"Data":{"ObjectId":15}}'
    )


@pytest.mark.parametrize(
    ("topic", "source", "expected"),
    [
        ("tns1:Device/HardwareFailure/acme:LensFailure", {}, "p/onvif-ej/Device/HardwareFailure/acme:LensFailure"),
        ("acme:Door/Open", {"Door": "1"}, "p/onvif-ej/acme:Door/Open/&1"),
        ("tns1:Device/Bell", {"Name": "a+b#c\td", "Place": "é/ü"}, "p/onvif-ej/Device/Bell/&abcd/é/ü"),
        ("tns1:Device/Bell", {"Name": ""}, "p/onvif-ej/Device/Bell/&"),
    ],
)
def test_topics(topic: str, source: dict[str, str], expected: str) -> None:
    assert mqtt_topic("p", Event.of(topic, source)) == expected


def test_numbers_and_truth_values_stand_without_quotes() -> None:
    def data(**values: object) -> Any:
        return payload(Event.of(SENSOR.topic, {"SensorID": "7"}, values))

    message = data(On=True, Value=28.65, Count=-3, Label="true")
    assert message["Source"] == {"SensorID": "7"}
    assert message["Data"] == {"On": True, "Value": 28.65, "Count": -3, "Label": "true"}
    assert data(On="perhaps", Value="NaN", Count="007", Label="7")["Data"] == {
        "On": "perhaps",
        "Value": "NaN",
        "Count": "007",
        "Label": "7",
    }


def test_a_key_tells_messages_of_one_source_apart() -> None:
    message = payload(Event.of(SENSOR.topic, {"SensorID": "7"}, {"On": False}, key={"Part": "lens"}))
    assert list(message) == ["UtcTime", "Source", "Key", "Data"]
    assert message["Key"] == {"Part": "lens"}


def test_a_message_without_data_has_none() -> None:
    assert list(payload(Event.of(SENSOR.topic, {"SensorID": "7"}))) == ["UtcTime", "Source"]


def test_the_end_of_a_property_has_the_broker_forget_it() -> None:
    assert JSON.payload(crossing().told(PropertyOperation.DELETED, AT)) == b""


def test_structures_follow_the_conversion_of_the_specification() -> None:
    track = {"SourceTag": "Video", "Destination": "VIDEO001", "State": "Active"}
    source = {"SourceToken": {"Token": "Profile_yard"}, "State": "Active", "Tracks": {"Track": [track, track]}}
    content = {"RecordingToken": "Recording_yard", "State": "Active", "Sources": [source]}
    event = Event.of(JOB.topic, {"RecordingJobToken": "Job"}, {"State": "Active"}, elements={"Information": content})
    assert payload(event)["Data"] == {
        "State": "Active",
        "Information": {
            "RecordingJobStateInformation": {
                "RecordingToken": "Recording_yard",
                "State": "Active",
                "Sources": {
                    "SourceToken": {"Token": "Profile_yard"},
                    "State": "Active",
                    "Tracks": {"Track": [track, track]},
                },
            }
        },
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<a/>", None),
        ("<a>text</a>", "text"),
        ('<a name="value"/>', {"@name": "value"}),
        ('<a name="value">text</a>', {"@name": "value", "#text": "text"}),
        ("<a><b>1</b><c/></a>", {"b": "1", "c": None}),
        ("<a><b>1</b><b>2</b><b>3</b></a>", {"b": ["1", "2", "3"]}),
        (
            '<a xmlns:x="urn:x" xmlns:tt="http://www.onvif.org/ver10/schema"><tt:b x:d="1"/><x:c/></a>',
            {"b": {"@context": {"x": "urn:x"}, "@x:d": "1"}, "@context": {"x": "urn:x"}, "x:c": None},
        ),
    ],
)
def test_xml_becomes_json(text: str, expected: Any) -> None:
    assert json_of(etree.fromstring(text)) == expected


def test_addresses() -> None:
    assert BrokerAddress.parse("mqtt://b") == BrokerAddress("mqtt", "b", 1883)
    assert BrokerAddress.parse("mqtts://[2001:db8::1]:99/") == BrokerAddress("mqtts", "2001:db8::1", 99, "/")
    assert BrokerAddress.parse("WSS://b/mqtt?a=1") == BrokerAddress("wss", "b", 443, "/mqtt?a=1")
    assert [BrokerAddress.parse(f"{scheme}://b").secure for scheme in ("mqtt", "mqtts", "ws", "wss")] == [
        False,
        True,
        False,
        True,
    ]
