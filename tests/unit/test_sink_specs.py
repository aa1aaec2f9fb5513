"""Configured sinks become objects; what can't be had is named, and keeps its queue."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from gateway.config import Camera, Config, ConfigError, Recording, Sink, from_table
from gateway.config.sections import Http, Storage
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event
from gateway.protocols.clip_link import ClipLink, read
from gateway.registry import PluginState, Registry
from gateway.sdk.sink import EventSink, SinkContext, SinkEntry
from gateway.services.sink_worker import SinkSpec
from gateway.sinks import NoValues, camera_finder, sink_specs
from gateway.testing.clock import FakeClock
from gateway.testing.sinks import DictMemory, motion

KEY = bytes(range(32))
SECOND = 1_000_000_000
BROKEN = EntryPoint("mine", "no_such_module_here", "gateway")


@dataclass(frozen=True)
class _Settings:
    url: str = "x"


def _kind(start: Callable[[SinkContext], None] = lambda _: None) -> type[EventSink]:
    class Kind(EventSink):
        Settings = _Settings

        def __init__(self, settings: _Settings, context: SinkContext) -> None:
            super().__init__(settings, context)
            start(context)

        async def send(self, entry: SinkEntry) -> None:
            raise AssertionError

    return Kind


def _registry(*entries: EntryPoint, **kinds: type[EventSink]) -> Registry:
    registry = Registry((), entries)
    registry.sinks |= kinds
    registry._owners |= {("event sink", name): "mine" for name in kinds}
    return registry


def _specs(registry: Registry, *sinks: Sink, strict: bool = False) -> list[SinkSpec]:
    config = Config(cameras=(Camera(id="door", driver="x", name="Front door"),), sinks=sinks)
    return sink_specs(config, registry, "uuid", NoValues(), FakeClock(), strict=strict)


def test_a_sink_is_made_as_configured() -> None:
    contexts: list[SinkContext] = []
    memory = DictMemory()
    topics = ("tns1:VideoSource//.", "tns1:Device/Trigger/Relay|tns1:Media/ProfileChanged")
    sink = Sink(id="out", kind="mine", topics=topics, cameras=("door",), max_events=5, max_days=0.5)
    config = Config(cameras=(Camera(id="door", driver="x", name="Front door"),), sinks=(sink,))
    (spec,) = sink_specs(config, _registry(mine=_kind(contexts.append)), "uuid", memory, FakeClock())
    assert (spec.id, spec.cameras, spec.max_events, spec.max_seconds) == ("out", {"door"}, 5, 43_200.0)
    assert spec.topics is not None
    wanted = ("VideoSource/MotionAlarm", "VideoSource", "Device/Trigger/Relay", "Media/ProfileChanged")
    assert all(f"tns1:{topic}" in spec.topics for topic in wanted)
    assert "tns1:Device/Trigger/Relays" not in spec.topics
    assert "tns1:Device/Trigger" not in spec.topics
    assert (dict(contexts[0].cameras), contexts[0].device_id) == ({"door": "Front door"}, "uuid")
    contexts[0].memory.store("zones", [1])
    assert (memory.values, contexts[0].memory.load("zones")) == ({"sink.out.zones": [1]}, [1])


def test_every_mistake_is_named_by_its_path() -> None:
    def refuse(_: SinkContext) -> None:
        raise GatewayError(ErrorKind.INVALID, "zones: 'door' and 'gate' both have 3")

    sinks = (
        Sink(id="a", kind="mime"),
        Sink(id="b", kind="mine", settings={"urk": "x"}),
        Sink(id="c", kind="no"),
    )
    with pytest.raises(ConfigError) as caught:
        _specs(_registry(mine=_kind(), no=_kind(refuse)), *sinks)
    assert caught.value.problems == (
        "sink[0].kind: there is no kind of sink 'mime'; did you mean 'mine'?",
        "sink[1].settings.urk: unknown key; did you mean 'url'?",
        "sink[2].settings: zones: 'door' and 'gate' both have 3",
    )


async def test_a_sink_of_a_broken_plugin_stays_and_says_why() -> None:
    (spec,) = _specs(_registry(BROKEN), Sink(id="out", kind="theirs"))
    with pytest.raises(GatewayError) as caught:
        await spec.sink.open()
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert caught.value.message == "there is no kind of sink 'theirs'; plug-ins not running: mine"
    with pytest.raises(ConfigError, match=r"sink\[0\].kind: there is no kind of sink 'theirs'"):
        _specs(_registry(BROKEN), Sink(id="out", kind="theirs"), strict=True)


def test_a_sink_that_fails_to_start_marks_its_plugin() -> None:
    def fail(_: SinkContext) -> None:
        raise ZeroDivisionError("oops")

    registry = _registry(BROKEN, bad=_kind(fail))
    assert len(_specs(registry, Sink(id="out", kind="bad"))) == 1
    (status,) = registry.statuses()
    assert (status.state, status.reason) == (PluginState.FAILED, "sink 'bad' failed to start: ZeroDivisionError: oops")


def test_an_event_is_about_the_camera_that_its_source_names() -> None:
    cameras = (Camera(id="door", driver="x"), Camera(id="gate", driver="x"))
    find = camera_finder(Config(cameras=cameras, recordings=(Recording(camera="gate", id="night"),)))

    def camera(**source: str) -> str:
        return find(Event.of("tns1:A/B", source))

    assert camera(Source="VideoSource_door") == camera(
        Rule="x", VideoSourceConfigurationToken="VideoSourceConfiguration_door"
    )
    assert camera(Token="gate_sub") == camera(RecordingToken="Recording_night", TrackToken="VIDEO001") == "gate"
    assert camera(RecordingToken="Recording_door") == "door"
    assert camera(Token="disk1") == camera() == ""


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"topics": ["tns1:VideoSource//.", "VideoSource"]}, "sink[0].topics[1]: 'VideoSource' is no topic"),
        ({"topics": ["tns1:A/*"]}, "sink[0].topics[0]: 'tns1:A/*' is no topic; one looks like"),
        ({"cameras": ["dor"]}, "sink[0].cameras[0]: there is no camera 'dor'; did you mean 'door'?"),
        ({"max_events": 0}, "sink[0].max_events: must be from 1 to 100000, not 0"),
        ({"max_days": 400}, "sink[0].max_days: must be from 0.01 to 360, not 400"),
        ({"id": "A"}, "sink[0].id: sink id 'A' must be 1 to 32 of a-z"),
    ],
)
def test_the_section_is_checked(keys: dict[str, object], problem: str) -> None:
    table = {"camera": [{"id": "door", "driver": "x"}], "sink": [{"id": "out", "kind": "webhook", **keys}]}
    with pytest.raises(ConfigError) as caught:
        from_table(table, Path())
    assert str(caught.value).startswith(problem)


def test_an_id_is_used_once() -> None:
    with pytest.raises(ConfigError, match=r"sink\[1\].id: 'out' is already the id of sink\[0\]"):
        from_table({"sink": [{"id": "out", "kind": "x"}, {"id": "out", "kind": "y"}]}, Path())


def test_links_lead_to_recorded_cameras_for_as_long_as_is_said() -> None:
    contexts: list[SinkContext] = []
    cameras = tuple(Camera(id=name, driver="x") for name in ("door", "gate", "yard"))
    config = Config(
        http=Http(external="https://nvr.example"),
        cameras=cameras,
        storages=(Storage(id="disk"),),
        recordings=(
            Recording(camera="door"),
            Recording(camera="gate", id="night"),
            Recording(camera="yard", mode="off"),
        ),
        sinks=(Sink(id="out", kind="mine", clip_hours=2), Sink(id="plain", kind="mine")),
    )
    registry = _registry(mine=_kind(contexts.append))
    sink_specs(config, registry, "uuid", NoValues(), FakeClock(), key=KEY)
    linking, plain = contexts
    entry = motion(camera="door")
    assert plain.link(entry) == linking.link(motion(camera="gate")) == linking.link(motion(camera="yard")) == ""
    link = linking.link(entry)
    assert link.startswith("https://nvr.example/clip/door?")
    at = entry.event.utc_ns
    query = dict(parse_qsl(urlsplit(link).query))
    assert read("door", query, KEY) == ClipLink("door", at - 5 * SECOND, at + 10 * SECOND, at + 7200 * SECOND)
    assert KEY.hex() not in repr(linking)
    assert repr(KEY) not in repr(linking)


def test_links_need_an_address() -> None:
    table = {"sink": [{"id": "out", "kind": "webhook", "clip_hours": 2}]}
    with pytest.raises(ConfigError, match=r"sink\[0\].clip_hours: http.external must say where the receiver finds"):
        from_table(table, Path())
