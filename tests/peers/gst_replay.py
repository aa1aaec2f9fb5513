"""Replays a recording with GStreamer in ONVIF mode, through rtponvifparse, and decodes its video.

Run with the system's Python: gst_replay.py URL --start UTC_NS [--stop UTC_NS] [--rate R] [--intra] [--no-rate-control]
[--frames N] [--raw FILE]; FILE gets the decoded pictures as I420. Backward, START is the later time; without rate
control it goes on without a STOP. Prints "pictures", "width", "height", "utc_ns" and "marks" (of every frame's header
extension, in order of arrival), "seconds" (from the first packet to the last), "ended" (the server said BYE), "gaps"
(in sequence numbers) and "problem".
"""

# ruff: noqa: T201, FBT003 - it prints what it found, and GObject has positional booleans

import argparse
import itertools
import json
import sys
import time
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtp", "1.0")
from gi.repository import GLib, Gst, GstRtp  # noqa: E402 - gi wants the version first

SECONDS = 25
NTP_EPOCH_NS = 2_208_988_800 * 1_000_000_000
EXTENSION = 0xABAC
UDP, TCP = 1, 4
BUFFER, AUTO = 2, 3
"""GStreamer 1.22 has no arrival time for the first frame that comes over TCP and throws it away, unless it buffers."""


def is_video(caps: Gst.Caps) -> bool:
    return bool(caps.get_structure(0).get_string("media") == "video")


class Replay:
    """One pipeline."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.loop = GLib.MainLoop()
        self.pictures = 0
        self.size = (0, 0)
        self.times: list[int] = []
        self.marks: list[int] = []
        self.gaps = 0
        self.arrived: tuple[float, float] | None = None
        self.ended = False
        self.problem = ""
        self._next: int | None = None
        self._sought = False
        self.raw = options.raw.open("wb") if options.raw else None
        self.pipeline = Gst.Pipeline.new(None)
        self.source = Gst.ElementFactory.make("rtspsrc")
        for name, value in (
            ("location", options.url),
            ("protocols", TCP if options.no_rate_control else UDP),
            ("onvif-mode", True),
            ("onvif-rate-control", not options.no_rate_control),
            ("is-live", True),
            ("latency", 0),
            ("buffer-mode", BUFFER if options.no_rate_control else AUTO),
        ):
            self.source.set_property(name, value)
        self.pipeline.add(self.source)
        self.source.connect("select-stream", lambda _source, _number, caps: is_video(caps))
        self.source.connect("pad-added", self.on_pad)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.on_message)

    def on_pad(self, _source: Gst.Element, pad: Gst.Pad) -> None:
        chain = [Gst.ElementFactory.make(name) for name in ("rtponvifparse", "rtph264depay", "h264parse", "avdec_h264")]
        convert = Gst.ElementFactory.make("videoconvert")
        sink = Gst.ElementFactory.make("appsink")
        sink.set_property("caps", Gst.Caps.from_string("video/x-raw,format=I420"))
        sink.set_property("emit-signals", True)
        sink.set_property("sync", False)
        sink.set_property("max-buffers", 20)
        sink.connect("new-sample", self.on_picture)
        sink.connect("new-preroll", lambda sink: Gst.FlowReturn.OK)
        chain += [convert, sink]
        for element in chain:
            self.pipeline.add(element)
        for one, other in itertools.pairwise(chain):
            one.link(other)
        for element in chain:
            element.sync_state_with_parent()
        pad.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, self.on_packets)
        pad.link(chain[0].get_static_pad("sink"))

    def on_packets(self, _pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        now = time.monotonic()
        self.arrived = (self.arrived or (now, now))[0], now
        if info.type & Gst.PadProbeType.BUFFER_LIST:
            packets = info.get_buffer_list()
            buffers = [packets.get(index) for index in range(packets.length())]
        else:
            buffers = [info.get_buffer()]
        for buffer in buffers:
            ok, rtp = GstRtp.RTPBuffer.map(buffer, Gst.MapFlags.READ)
            if not ok:
                continue
            sequence = rtp.get_seq()
            self.gaps += self._next is not None and sequence != self._next
            self._next = (sequence + 1) & 0xFFFF
            size = buffer.get_size()
            rtp.unmap()
            data = buffer.extract_dup(0, min(size, 28))
            if data[0] & 0x10 and int.from_bytes(data[12:14], "big") == EXTENSION:
                data = data[16:]
                seconds, fraction = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
                self.times.append(seconds * 1_000_000_000 + (fraction * 1_000_000_000 >> 32) - NTP_EPOCH_NS)
                self.marks.append(data[8])
        return Gst.PadProbeReturn.OK

    def on_picture(self, sink: Gst.Element) -> Gst.FlowReturn:
        sample = sink.emit("pull-sample")
        structure = sample.get_caps().get_structure(0)
        self.size = structure.get_value("width"), structure.get_value("height")
        self.pictures += 1
        if self.raw and self.pictures <= self.options.frames:
            buffer = sample.get_buffer()
            self.raw.write(buffer.extract_dup(0, buffer.get_size()))
        if self.pictures >= self.options.frames:
            GLib.idle_add(self.loop.quit)
        return Gst.FlowReturn.OK

    def on_message(self, _bus: Gst.Bus, message: Gst.Message) -> None:
        if message.type == Gst.MessageType.PROGRESS and not self._sought:
            kind, code, _text = message.parse_progress()
            if (kind, code) == (Gst.ProgressType.COMPLETE, "open"):
                self._sought = True
                self.seek()
        elif message.type == Gst.MessageType.EOS:
            self.ended = True
            self.loop.quit()
        elif message.type == Gst.MessageType.ERROR:
            error, detail = message.parse_error()
            self.problem = f"{error.message}: {detail}"
            self.loop.quit()

    def seek(self) -> None:
        flags = Gst.SeekFlags.FLUSH | Gst.SeekFlags.ACCURATE
        if self.options.intra:
            flags |= Gst.SeekFlags.TRICKMODE | Gst.SeekFlags.TRICKMODE_KEY_UNITS
        start = self.options.start + NTP_EPOCH_NS
        stop = self.options.stop + NTP_EPOCH_NS if self.options.stop else -1
        if self.options.rate < 0:
            start, stop = stop, start
        self.times.clear()
        self.marks.clear()
        self.pictures, self._next, self.gaps, self.arrived = 0, None, 0, None
        kinds = [Gst.SeekType.NONE if place < 0 else Gst.SeekType.SET for place in (start, stop)]
        self.source.seek(self.options.rate, Gst.Format.TIME, flags, kinds[0], max(start, 0), kinds[1], stop)
        self.pipeline.set_state(Gst.State.PLAYING)

    def run(self) -> dict[str, object]:
        self.pipeline.set_state(Gst.State.PAUSED)
        GLib.timeout_add_seconds(SECONDS, self.loop.quit)
        self.loop.run()
        self.pipeline.set_state(Gst.State.NULL)
        if self.raw:
            self.raw.close()
        return {
            "pictures": self.pictures,
            "width": self.size[0],
            "height": self.size[1],
            "utc_ns": self.times,
            "marks": self.marks,
            "ended": self.ended,
            "gaps": self.gaps,
            "seconds": self.arrived[1] - self.arrived[0] if self.arrived else None,
            "problem": self.problem,
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--start", type=int, required=True)
    parser.add_argument("--stop", type=int, default=0)
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--intra", action="store_true")
    parser.add_argument("--no-rate-control", action="store_true")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--raw", type=Path)
    options = parser.parse_args()
    Gst.init([])
    found = Replay(options).run()
    print(json.dumps(found))
    sys.exit(bool(found["problem"]))


if __name__ == "__main__":
    main()
