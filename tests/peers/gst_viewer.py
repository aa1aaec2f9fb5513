"""Plays an RTSP address with GStreamer, without decoding, and counts what arrives.

Run with the system's Python: gst_viewer.py URL --transport tcp|udp|multicast|http [--seconds N | --frames N
[--audio N]] [--interface NAME]. It ends so long after the first packet, or when it has so many frames of video, and of
audio. Prints an object per track:
{"video": {"encoding", "packets", "lost", "frames", "first_rtp", "last_rtp", "keyframe_first", "since"}, …}.
`lost` packets are numbers that did not come; `since` is when the first packet came, in seconds since the epoch.
"""

# ruff: noqa: T201, FBT003 - it prints what it found, and GObject has positional booleans

import argparse
import json
import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtp", "1.0")
gi.require_version("GstRtsp", "1.0")
from gi.repository import GLib, Gst, GstRtp, GstRtsp  # noqa: E402 - gi wants the versions first

TRANSPORTS = {
    "udp": GstRtsp.RTSPLowerTrans.UDP,
    "multicast": GstRtsp.RTSPLowerTrans.UDP_MCAST,
    "tcp": GstRtsp.RTSPLowerTrans.TCP,
    "http": GstRtsp.RTSPLowerTrans.HTTP | GstRtsp.RTSPLowerTrans.TCP,
}
START_SECONDS = 15


class Track:
    """Counts one medium's packets, as they leave the RTP session."""

    def __init__(self) -> None:
        self.encoding = ""
        self.packets = 0
        self.lost = 0
        self.since = 0.0
        self.frames: dict[int, int] = {}  # RTP timestamp → packets
        self.keyframe_first: bool | None = None
        self._next: int | None = None

    def add(self, buffer: Gst.Buffer) -> None:
        ok, rtp = GstRtp.RTPBuffer.map(buffer, Gst.MapFlags.READ)
        if not ok:
            return
        sequence, timestamp = rtp.get_seq(), rtp.get_timestamp()
        if self.keyframe_first is None and self.encoding == "H264":
            payload = rtp.get_payload_buffer()
            self.keyframe_first = starts_key_frame(payload.extract_dup(0, min(payload.get_size(), 2)))
        rtp.unmap()
        self.since = self.since or time.time()
        self.packets += 1
        if self._next is not None:
            self.lost += (sequence - self._next) & 0xFFFF
        self._next = (sequence + 1) & 0xFFFF
        self.frames[timestamp] = self.frames.get(timestamp, 0) + 1

    def report(self) -> dict[str, object]:
        timestamps = list(self.frames)
        return {
            "encoding": self.encoding,
            "packets": self.packets,
            "lost": self.lost,
            "frames": len(timestamps),
            "first_rtp": timestamps[0] if timestamps else None,
            "last_rtp": timestamps[-1] if timestamps else None,
            "keyframe_first": self.keyframe_first,
            "since": self.since,
        }


def starts_key_frame(payload: bytes) -> bool:
    """Parameter sets or an IDR slice, alone, aggregated or fragmented (RFC 6184 §5.2)."""
    kind = payload[0] & 31
    if kind == 28:  # FU-A
        kind = payload[1] & 31
    return kind in {5, 6, 7, 8, 9, 24}


class Viewer:
    """One rtspsrc, each of its pads drained into a sink."""

    def __init__(self, url: str, transport: str, interface: str, wanted: dict[str, int]) -> None:
        self.wanted = {kind: frames for kind, frames in wanted.items() if frames}
        self.tracks: dict[str, Track] = {}
        self.error = ""
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.Pipeline()
        source = Gst.ElementFactory.make("rtspsrc")
        source.set_property("location", url)
        source.set_property("protocols", TRANSPORTS[transport])
        source.set_property("latency", 500)
        source.set_property("tls-validation-flags", 0)  # the certificate is one of our own making
        source.set_property("multicast-iface", interface or None)
        source.connect("pad-added", self._pad)
        self.pipeline.add(source)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self._failed)

    def _pad(self, _source: Gst.Element, pad: Gst.Pad) -> None:
        caps = pad.get_current_caps().get_structure(0)
        track = self.tracks.setdefault(caps.get_string("media"), Track())
        track.encoding = caps.get_string("encoding-name")
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("sync", False)
        sink.set_property("async", False)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, self._packet, track)
        pad.link(sink.get_static_pad("sink"))

    def _packet(self, _pad: Gst.Pad, info: Gst.PadProbeInfo, track: Track) -> Gst.PadProbeReturn:
        if info.type & Gst.PadProbeType.BUFFER_LIST:
            packets = info.get_buffer_list()
            for index in range(packets.length()):
                track.add(packets.get(index))
        else:
            track.add(info.get_buffer())
        if self.wanted and all(self._frames(kind) >= frames for kind, frames in self.wanted.items()):
            GLib.idle_add(self.loop.quit)
        return Gst.PadProbeReturn.OK

    def _frames(self, kind: str) -> int:
        return len(self.tracks[kind].frames) if kind in self.tracks else 0

    def _failed(self, _bus: Gst.Bus, message: Gst.Message) -> None:
        error, detail = message.parse_error()
        self.error = f"{error.message} {detail or ''}"
        self.loop.quit()

    def play(self, seconds: float) -> None:
        """Count for so many seconds after the first packet, if it is not for some number of frames."""
        self.pipeline.set_state(Gst.State.PLAYING)
        GLib.timeout_add(50, self._started, seconds)
        GLib.timeout_add_seconds(START_SECONDS, self._never_started)
        self.loop.run()
        self.pipeline.set_state(Gst.State.NULL)

    def _started(self, seconds: float) -> bool:
        if not any(track.packets for track in self.tracks.values()):
            return True
        if not self.wanted:
            GLib.timeout_add(int(seconds * 1000), self.loop.quit)
        return False

    def _never_started(self) -> bool:
        if not any(track.packets for track in self.tracks.values()):
            self.error = self.error or f"no packet within {START_SECONDS} s"
            self.loop.quit()
        return False


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--transport", choices=TRANSPORTS, default="tcp")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--frames", type=int, default=0)
    parser.add_argument("--audio", type=int, default=0)
    parser.add_argument("--interface", default="", help="where groups are joined; all interfaces by default")
    options = parser.parse_args()
    Gst.init(None)
    wanted = {"video": options.frames, "audio": options.audio}
    viewer = Viewer(options.url, options.transport, options.interface, wanted)
    viewer.play(options.seconds)
    print(json.dumps({name: track.report() for name, track in viewer.tracks.items()}))
    if viewer.error:
        print(viewer.error, file=sys.stderr)
    return int(bool(viewer.error))


if __name__ == "__main__":
    sys.exit(main())
