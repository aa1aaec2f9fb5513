"""Events and the descriptions that they are held against."""

import pytest

from gateway.domain.event import Event, TopicDescription

MOTION = TopicDescription(
    "tns1:VideoSource/MotionAlarm",
    source=(("Source", "tt:ReferenceToken"),),
    data=(("State", "xs:boolean"), ("Zone", "xs:string")),
    is_property=True,
)


def test_values_become_the_text_of_xml_schema() -> None:
    event = Event.of("tns1:A/B", {"Token": "x"}, {"State": True, "Value": 1.5, "Count": 3, "Text": "False"})
    assert event.source == (("Token", "x"),)
    assert event.data == (("State", "true"), ("Value", "1.5"), ("Count", "3"), ("Text", "False"))


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (Event.of(MOTION.topic, {"Source": "a"}, {"State": True}), ""),
        (Event.of(MOTION.topic, {"Source": "a"}, {"State": True, "Zone": "gate"}), ""),
        (
            Event.of(MOTION.topic, {"Token": "a"}, {"State": True}),
            "the source of tns1:VideoSource/MotionAlarm has ['Source'], not ['Token']",
        ),
        (
            Event.of(MOTION.topic, {"Source": "a"}, {"State": True}, key={"ObjectId": 1}),
            "the key of tns1:VideoSource/MotionAlarm has [], not ['ObjectId']",
        ),
        (
            Event.of(MOTION.topic, {"Source": "a"}, {"Zone": "gate", "State": True}),
            "the data of tns1:VideoSource/MotionAlarm can have ['State', 'Zone'], not ['Zone', 'State']",
        ),
        (
            Event.of(MOTION.topic, {"Source": "a"}, {"Zone": "gate"}),
            "the property tns1:VideoSource/MotionAlarm begins with Zone, not with State",
        ),
        (Event.of(MOTION.topic, {"Source": "a"}), "the property tns1:VideoSource/MotionAlarm lacks its value State"),
        (
            Event.of(MOTION.topic, {"Source": "a"}, {"State": True}, elements={"Region": {}}),
            "the elements of tns1:VideoSource/MotionAlarm can have [], not ['Region']",
        ),
    ],
)
def test_an_event_fits_its_description(event: Event, problem: str) -> None:
    assert MOTION.problem(event) == problem
