"""Plays an RTSP address with GStreamer and talks on its ONVIF backchannel, in G.711 µ-law.

Run with the system's Python: gst_talker.py URL --transport tcp|udp|http. Once the stream plays, it says a loud square
wave until its standard input is closed; it prints one JSON line, {"said": 1}, after the first packet, and ends with an
error if there is no backchannel.
"""

import argparse
import ctypes
import json
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
from gi.repository import GLib, Gst, GstRtsp  # noqa: E402 - gi wants the versions first

TRANSPORTS = {
    "udp": GstRtsp.RTSPLowerTrans.UDP,
    "tcp": GstRtsp.RTSPLowerTrans.TCP,
    "http": GstRtsp.RTSPLowerTrans.HTTP | GstRtsp.RTSPLowerTrans.TCP,
}
VOICE = (
    "audiotestsrc is-live=true wave=square freq=1000 volume=0.8 samplesperbuffer=160 "
    "! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay ! appsink name=mouth emit-signals=true sync=false"
)

_library = ctypes.CDLL("libgstreamer-1.0.so.0")


class Talker:
    """One rtspsrc with a mouth."""

    def __init__(self, url: str, transport: str) -> None:
        self.loop = GLib.MainLoop()
        self.error = ""
        self.stream: int | None = None
        self.said = 0
        self.pipeline = Gst.Pipeline()
        self.source = Gst.ElementFactory.make("rtspsrc")
        for name, value in (("location", url), ("protocols", TRANSPORTS[transport]), ("backchannel", 1)):
            self.source.set_property(name, value)
        self.source.connect("select-stream", self._offered)
        self.source.connect("pad-added", self._drain)
        self.pipeline.add(self.source)
        self.voice = Gst.parse_launch(VOICE)
        self.voice.get_by_name("mouth").connect("new-sample", self._say)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self._failed)

    def run(self) -> None:
        """Talk until told to stop."""
        GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_HUP | GLib.IO_IN, lambda *_: self.loop.quit())
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        self.voice.set_state(Gst.State.NULL)
        self.pipeline.set_state(Gst.State.NULL)

    def _offered(self, _source: Gst.Element, number: int, caps: Gst.Caps) -> bool:
        """Take every stream, and of the backchannel the one in PCMU."""
        structure = caps.get_structure(0)
        if not structure.has_field("a-sendonly"):
            return True
        if structure.get_string("encoding-name") == "PCMU":
            self.stream = number
            return True
        return False

    def _say(self, mouth: Gst.Element) -> Gst.FlowReturn:
        sample = mouth.emit("pull-sample")
        _library.gst_mini_object_ref(ctypes.c_void_p(hash(sample)))  # the signal takes ours away
        result = self.source.emit("push-backchannel-sample", self.stream, sample)
        if result is Gst.FlowReturn.OK:
            self.said += 1
            if self.said == 1:
                print(json.dumps({"said": 1}), flush=True)  # noqa: T201
        return Gst.FlowReturn.OK

    def _drain(self, _source: Gst.Element, pad: Gst.Pad) -> None:
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("sync", False)  # noqa: FBT003 - a property of GObject
        sink.set_property("async", False)  # noqa: FBT003
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))
        if self.stream is None:
            self._end("there is no backchannel in PCMU")
        else:
            self.voice.set_state(Gst.State.PLAYING)

    def _failed(self, _bus: Gst.Bus, message: Gst.Message) -> None:
        error, detail = message.parse_error()
        self._end(f"{error.message} {detail or ''}")

    def _end(self, error: str) -> None:
        self.error = error
        self.loop.quit()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--transport", choices=TRANSPORTS, default="tcp")
    options = parser.parse_args()
    Gst.init(None)
    talker = Talker(options.url, options.transport)
    talker.run()
    if talker.error:
        print(talker.error, file=sys.stderr)  # noqa: T201
    return int(bool(talker.error))


if __name__ == "__main__":
    sys.exit(main())
