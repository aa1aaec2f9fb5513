"""Topic expressions of ONVIF's concrete set dialect (Core §11.5.1): `tns1:VideoSource//.|tns1:Device/Trigger/Relay`."""

import re
from collections.abc import Callable
from dataclasses import dataclass

_NAME = r"[^\W\d][\w.-]*"
_PATH = re.compile(rf"{_NAME}:{_NAME}(?:/(?:{_NAME}:)?{_NAME})*", re.ASCII)
_TREE = "//."


@dataclass(frozen=True, slots=True)
class TopicSet:
    """The topics that an expression selects."""

    exact: frozenset[str]
    trees: tuple[str, ...] = ()
    """Beginnings of topics, each with a slash at its end."""

    def __contains__(self, topic: object) -> bool:
        return topic in self.exact or (isinstance(topic, str) and topic.startswith(self.trees))


def parse_topic_set(text: str, normal: Callable[[str], str] = lambda path: path, *, single: bool = False) -> TopicSet:
    """Parse alternatives, each a topic or, with `//.` at its end, a topic and all below it. Raises ValueError.

    `normal` returns a topic as the gateway writes it; `single` refuses both alternatives and subtrees.
    """
    exact, trees = set(), []
    for part in [text.strip()] if single else text.split("|"):
        path = part.strip()
        tree = path.endswith(_TREE) and not single
        path = path.removesuffix(_TREE) if tree else path
        if not _PATH.fullmatch(path):
            raise ValueError(f"{path!r} is no topic; one looks like 'tns1:VideoSource/MotionAlarm'")
        topic = normal(path)
        exact.add(topic)
        if tree:
            trees.append(topic + "/")
    return TopicSet(frozenset(exact), tuple(trees))
