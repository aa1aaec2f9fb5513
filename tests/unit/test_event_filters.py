"""Topic expressions and content filters as clients write them, and the mistakes they make."""

import pytest
from lxml import etree

from gateway.domain.event import Event
from gateway.onvif.contract import load_contract
from gateway.onvif.events_content import parse_content_filter
from gateway.onvif.events_topics import CONCRETE, CONCRETE_SET, parse_topics

ONVIF = "http://www.onvif.org/ver10/topics"
TOPICS = (
    "tns1:VideoSource/MotionAlarm",
    "tns1:VideoSource/SignalLoss",
    "tns1:VideoSource/ImageTooDark/ImagingService",
    "tns1:VideoSourceConfiguration/Changed",
    "tns1:RuleEngine/CellMotionDetector/Motion",
)


def matched(text: str, dialect: str = CONCRETE_SET, declared: str = "tns1") -> list[int]:
    node = etree.fromstring(f'<e xmlns:{declared}="{ONVIF}" Dialect="{dialect}">{text}</e>')
    matches = parse_topics(node, load_contract().prefixes)
    return [index for index, topic in enumerate(TOPICS) if matches(topic)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tns1:VideoSource/MotionAlarm", [0]),
        ("tns1:VideoSource/tns1:MotionAlarm", [0]),
        ("  tns1:VideoSource/MotionAlarm | tns1:RuleEngine//. ", [0, 4]),
        ("tns1:VideoSource//.", [0, 1, 2]),
        ("tns1:VideoSource/ImageTooDark//.", [2]),
        ("tns1:VideoSource", []),
        ("tns1:Device/Fire", []),
    ],
)
def test_topic_expressions(text: str, expected: list[int]) -> None:
    assert matched(text) == expected


def test_prefixes_mean_what_the_client_declares() -> None:
    assert matched("x:VideoSource/x:MotionAlarm", declared="x") == [0]
    assert matched("tns1:VideoSource/MotionAlarm", declared="x") == [0]
    node = etree.fromstring('<e xmlns:tns1="urn:other">tns1:VideoSource/MotionAlarm</e>')
    assert not parse_topics(node, load_contract().prefixes)(TOPICS[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no topic; one looks like 'tns1:VideoSource/MotionAlarm'"),
        ("tns1:VideoSource/", "'tns1:VideoSource/' is no topic"),
        ("tns1:VideoSource/MotionAlarm|", "'' is no topic"),
        ("//tns1:VideoSource", "'//tns1:VideoSource' is no topic"),
        ("tns1:*", "'tns1:\\*' is no topic"),
        ("VideoSource/MotionAlarm", "'VideoSource/MotionAlarm' is no topic"),
        ("foo:VideoSource/MotionAlarm", "the prefix of the topic 'foo:VideoSource/MotionAlarm' is not declared"),
    ],
)
def test_what_is_no_topic_expression(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        matched(text)


def test_the_simple_dialect_has_neither_sets_nor_trees() -> None:
    assert matched(TOPICS[0], CONCRETE) == [0]
    for text in ("tns1:VideoSource//.", f"{TOPICS[0]}|{TOPICS[1]}"):
        with pytest.raises(ValueError, match="is no topic"):
            matched(text, CONCRETE)


RULE, OTHER = (f'boolean(//tt:SimpleItem[@Name="{name}"])' for name in ("Rule", "Other"))
EVENT = Event.of(
    "tns1:RuleEngine/FieldDetector/ObjectsInside",
    {"VideoSource": "yard", "Rule": "Fence"},
    {"IsInside": True},
    key={"ObjectId": 7},
    elements={"Shape": {}},
)


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ('boolean(//tt:SimpleItem[@Name="IsInside" and @Value="true"])', True),
        ('boolean(//tt:SimpleItem[@Name="IsInside" and @Value="false"])', False),
        ("boolean( //SimpleItem[ @Name = 'Rule' and @Value = 'Fence' ] )", True),
        ('boolean(//tt:SimpleItem[@Name="ObjectId" and (@Value="7" or @Value="8")])', True),
        ('boolean(//tt:SimpleItem[@Name="Rule" and not(@Value="Fence")])', False),
        ('boolean(//tt:ElementItem[@Name="Shape"])', True),
        ('boolean(//tt:SimpleItem[@Name="Shape"])', False),
        ('not(boolean(//tt:SimpleItem[@Value="yard"]))', False),
        ('boolean(//tt:SimpleItem[@Name="A"]) or boolean(//tt:SimpleItem[@Name="Rule"])', True),
        # `and` binds tighter than `or`
        (
            f"{RULE} or {OTHER} and {OTHER}",
            True,
        ),
        (
            f"({RULE} or {OTHER}) and {OTHER}",
            False,
        ),
        ('boolean(//tt:SimpleItem[@Name="Rule" and @Value="and ]) or"])', False),
    ],
)
def test_content_filters(text: str, passes: bool) -> None:  # noqa: FBT001 - a table of answers
    assert parse_content_filter(text).passes(EVENT) is passes


def test_a_content_filter_tells_which_items_it_asks_for() -> None:
    text = 'boolean(//tt:SimpleItem[@Name="A"]) or not(boolean(//tt:ElementItem[@Name="B"]))'
    assert parse_content_filter(text).names == ("A", "B")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the content filter ends too early"),
        ('boolean(//tt:SimpleItem[@Name="A"]', "the content filter ends too early"),
        ('boolean(//tt:SimpleItem[@Name="A")])', "the content filter has '\\)' where '\\]' is expected"),
        ('boolean(//tt:SimpleItem[@Name="A"])]', "the content filter goes on with ']' after its end"),
        ('boolean(//tt:Message[@Name="A"])', "asks for 'Message'; there are SimpleItem and ElementItem"),
        ('boolean(//tt:SimpleItem[@Type="A"])', "asks for the attribute 'Type'; items have Name and Value"),
        ("boolean(//tt:SimpleItem[@Name=A])", "the content filter has 'A' where a quoted text is expected"),
        ('count(//tt:SimpleItem[@Name="A"])', "the content filter has 'count' where 'boolean' is expected"),
        ('boolean(//tt:SimpleItem[@Name="A])', "the content filter can't be read from '\"A\\]\\)' on"),
        ("not(" * 40 + ")" * 40, "the content filter nests deeper than 32"),
    ],
)
def test_what_is_no_content_filter(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_content_filter(text)
