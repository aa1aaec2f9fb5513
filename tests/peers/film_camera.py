"""A camera made of GStreamer's RTSP server: plays films in a loop, and tells what it sent.

Run with the system's Python: film_camera.py ADDRESS PORT USER PASSWORD NAME=FILM.mp4…
Prints a line when it listens; at each SIGUSR1 it prints {NAME: {"frames": [RTP timestamp, …], "packets": N}} of the
video sent so far. It ends at SIGTERM.
The films' H.264 and AAC travel as their encoder made them, with RTP times that go on from loop to loop.
"""

# ruff: noqa: T201, FBT003 - it prints what it found, and GObject has positional booleans

import json
import signal
import sys
import threading
import time
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtp, GstRtspServer  # noqa: E402, F401 - GstApp gives appsrc its methods

LAUNCH = """( appsrc name=video is-live=true format=time ! h264parse config-interval=-1 !
rtph264pay name=pay0 pt=96 mtu=1400 """
AUDIO = "appsrc name=audio is-live=true format=time ! aacparse ! rtpmp4gpay name=pay1 pt=97 "


class Film:
    """The access units of one file, read once."""

    def __init__(self, path: Path) -> None:
        self.units: dict[str, list[tuple[int, Gst.Buffer]]] = {"video": [], "audio": []}
        self.caps: dict[str, Gst.Caps] = {}
        pipeline = Gst.parse_launch(
            f'filesrc location="{path}" ! qtdemux name=film '
            "film.video_0 ! queue ! h264parse ! video/x-h264,stream-format=avc,alignment=au ! "
            "appsink name=video sync=false"
        )
        audio = Gst.parse_bin_from_description("queue ! aacparse ! appsink name=audio sync=false", True)
        demuxer = pipeline.get_by_name("film")
        demuxer.connect("pad-added", self._pad, pipeline, audio)
        self._has_audio = False
        pipeline.set_state(Gst.State.PLAYING)
        self._read(pipeline.get_by_name("video"), "video")
        if self._has_audio:
            self._read(audio.get_by_name("audio"), "audio")
        pipeline.set_state(Gst.State.NULL)
        first = min(time for time, _ in self.units["video"])
        self.length = max(t + b.duration for t, b in self.units["video"]) - first

    def _pad(self, _demuxer: Gst.Element, pad: Gst.Pad, pipeline: Gst.Pipeline, audio: Gst.Bin) -> None:
        if pad.get_name().startswith("audio"):
            self._has_audio = True
            pipeline.add(audio)
            audio.sync_state_with_parent()
            pad.link(audio.get_static_pad("sink"))

    def _read(self, sink: Gst.Element, name: str) -> None:
        while sample := sink.emit("pull-sample"):
            buffer = sample.get_buffer()
            self.units[name].append((buffer.pts, buffer))
            self.caps[name] = sample.get_caps()


class Stream:
    """One path of the camera, and the count of what went out on it."""

    def __init__(self, film: Film) -> None:
        self.film = film
        self.frames: list[int] = []
        self.packets = 0
        self.factory = GstRtspServer.RTSPMediaFactory()
        self.factory.set_launch(LAUNCH + (AUDIO if film.units["audio"] else "") + ")")
        self.factory.set_shared(True)
        self.factory.connect("media-configure", self._configure)

    def report(self) -> dict[str, object]:
        return {"frames": self.frames, "packets": self.packets}

    def _configure(self, _factory: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia) -> None:
        element = media.get_element()
        element.get_by_name("pay0").get_static_pad("src").add_probe(
            Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, self._sent
        )
        stopped = threading.Event()
        media.connect("unprepared", lambda _media: stopped.set())
        for name in ("video", "audio"):
            if self.film.units[name]:
                source = element.get_by_name(name)
                source.set_property("caps", self.film.caps[name])
                threading.Thread(target=self._feed, args=(source, name, stopped), daemon=True).start()

    def _feed(self, source: Gst.Element, name: str, stopped: threading.Event) -> None:
        """Push every unit at its decoding time, for ever."""
        start, units = time.monotonic(), self.film.units[name]
        loop = 0
        while not stopped.is_set():
            for _, unit in units:
                due = start + (moment(unit) - moment(units[0][1]) + loop * self.film.length) / Gst.SECOND
                if stopped.wait(max(due - time.monotonic(), 0)):
                    return
                copy = unit.copy_deep()
                copy.pts = unit.pts + loop * self.film.length
                copy.dts = Gst.CLOCK_TIME_NONE
                source.emit("push-buffer", copy)
            loop += 1

    def _sent(self, _pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        if info.type & Gst.PadProbeType.BUFFER_LIST:
            packets = info.get_buffer_list()
            buffers = [packets.get(index) for index in range(packets.length())]
        else:
            buffers = [info.get_buffer()]
        for buffer in buffers:
            _, rtp = GstRtp.RTPBuffer.map(buffer, Gst.MapFlags.READ)
            timestamp = rtp.get_timestamp()
            rtp.unmap()
            self.packets += 1
            if not self.frames or self.frames[-1] != timestamp:
                self.frames.append(timestamp)
        return Gst.PadProbeReturn.OK


def moment(unit: Gst.Buffer) -> int:
    """When a unit is due: its decoding time, which is not its picture's where there are B frames."""
    return unit.pts if unit.dts == Gst.CLOCK_TIME_NONE else unit.dts


def report(streams: dict[str, Stream]) -> bool:
    print(json.dumps({name: stream.report() for name, stream in streams.items()}), flush=True)
    return True


def main(address: str, port: str, user: str, password: str, *films: str) -> int:
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address=address, service=port)
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(2)  # GST_RTSP_AUTH_DIGEST, which these bindings do not name
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    streams = {}
    for name, _, path in (film.partition("=") for film in films):
        streams[name] = Stream(Film(Path(path)))
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
        streams[name].factory.set_permissions(permissions)
        server.get_mount_points().add_factory(f"/{name}", streams[name].factory)
    server.attach(None)
    loop = GLib.MainLoop()
    GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGTERM, loop.quit)
    GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGUSR1, report, streams)
    print(json.dumps({"urls": {name: f"rtsp://{address}:{port}/{name}" for name in streams}}), flush=True)
    loop.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
