"""Watches a stream with FFmpeg's libraries: ffmpeg_viewer.py URL TRANSPORT.

Run with the Python of the gateway's own environment. Prints width and time of every picture, one a line, until it is
ended.
"""

# ruff: noqa: T201 - it prints what it sees

import sys

import av


def main(url: str, transport: str) -> None:
    """Print pictures until the stream ends; the first ones have no time."""
    with av.open(url, options={"rtsp_transport": transport}) as container:
        for frame in container.decode(video=0):
            if frame.time is not None:
                print(frame.width, frame.time, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
