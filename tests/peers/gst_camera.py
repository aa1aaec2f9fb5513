"""A camera by GStreamer's RTSP server, for the system's python3 with its gi bindings.

Prints one JSON line with its URL when it is ready, and ends when its standard input is closed.
"""

import argparse
import json
import sys
from typing import Any

import gi

for _name in ("Gst", "GstRtsp", "GstRtspServer"):
    gi.require_version(_name, "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - versions must be chosen first

_VIDEO = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max={gop} bitrate={kbit} "
    "! video/x-h264,profile=main ! rtph264pay name=pay0 pt=96 config-interval=-1",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max={gop} bitrate={kbit} "
    "! rtph265pay name=pay0 pt=96 config-interval=-1",
    "jpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
}
_PARSED = {"h264": "rtph264pay", "h265": "rtph265pay"}
_AUDIO = {
    "pcma": "audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 pt=8",
    "pcmu": "audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay name=pay1 pt=0",
    "g726": "audio/x-raw,rate=8000,channels=1 ! avenc_g726 ! rtpg726pay name=pay1 pt=99",
    "aac": "audio/x-raw,rate=16000,channels=1 ! avenc_aac ! rtpmp4gpay name=pay1 pt=97",
    "opus": "audio/x-raw,rate=48000,channels=2 ! opusenc ! rtpopuspay name=pay1 pt=98",
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--path", default="/main")
    parser.add_argument("--codec", choices=sorted(_VIDEO), default="h264")
    parser.add_argument("--file", help="an MP4 file whose video is sent as it is, instead of a test picture")
    parser.add_argument("--audio", choices=["none", *sorted(_AUDIO)], default="none")
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--gop", type=int, default=25)
    parser.add_argument("--kbit", type=int, default=1000)
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--loudspeaker", help="a file for the G.711 that the camera is told (ONVIF backchannel)")
    parser.add_argument("--basic", action="store_true", help="Basic instead of Digest")
    return parser.parse_args()


def _launch(options: argparse.Namespace) -> str:
    width, height = options.size.split("x")
    if options.file:
        video = (
            f'filesrc location="{options.file}" ! qtdemux ! {_PARSED[options.codec]} name=pay0 pt=96 config-interval=-1'
        )
    else:
        source = f"video/x-raw,format=I420,width={width},height={height},framerate={options.fps}/1"
        encoder = _VIDEO[options.codec].format(gop=options.gop, kbit=options.kbit)
        video = f"videotestsrc is-live=true ! {source} ! timeoverlay ! {encoder}"
    audio = f"audiotestsrc is-live=true wave=ticks ! {_AUDIO[options.audio]}" if options.audio != "none" else ""
    return f"( {video} {audio} )"


def _hearing(options: argparse.Namespace) -> Any:
    factory = GstRtspServer.RTSPOnvifMediaFactory()
    factory.set_media_gtype(GstRtspServer.RTSPOnvifMedia)
    caps = "application/x-rtp,media=audio,payload=0,clock-rate=8000,encoding-name=PCMU"
    keep = f'filesink location="{options.loudspeaker}" buffer-mode=unbuffered sync=false async=false'
    factory.set_backchannel_launch(f'( capsfilter caps="{caps}" name=depay_backchannel ! rtppcmudepay ! {keep} )')
    return factory


def _protect(server: Any, factory: Any, options: argparse.Namespace) -> None:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if options.basic:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(options.user, options.password), token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(options.user, options.password, token)
    server.set_auth(auth)
    structure = Gst.Structure.new_empty("viewer")
    structure.set_value("media.factory.access", True)  # noqa: FBT003 - a structure's field
    structure.set_value("media.factory.construct", True)  # noqa: FBT003
    factory.add_role_from_structure(structure)


def main() -> None:
    """Serve until standard input is closed."""
    options = _arguments()
    Gst.init(None)
    loop = GLib.MainLoop()
    server = GstRtspServer.RTSPOnvifServer() if options.loudspeaker else GstRtspServer.RTSPServer()
    server.set_address(options.address)
    server.set_service(str(options.port))
    factory = _hearing(options) if options.loudspeaker else GstRtspServer.RTSPMediaFactory()
    factory.set_launch(_launch(options))
    factory.set_shared(not options.loudspeaker)
    if options.user:
        _protect(server, factory, options)
    server.get_mount_points().add_factory(options.path, factory)
    server.attach(None)
    GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_HUP | GLib.IO_IN, lambda *_: loop.quit())
    print(json.dumps({"url": f"rtsp://{options.address}:{server.get_bound_port()}{options.path}"}), flush=True)  # noqa: T201
    loop.run()


if __name__ == "__main__":
    main()
