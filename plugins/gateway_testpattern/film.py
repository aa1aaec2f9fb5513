"""A media file played in a loop, as a camera would send it: nothing is encoded again."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import AudioParameters, MediaKind, StreamDescription, TrackDescription
from gateway.protocols.rtp.packetize import Packetizer
from gateway.protocols.rtp.parameter_sets import estimated, to_fmtp, video_parameters
from gateway.sdk.clock import Clock
from gateway.sdk.driver import MediaSink
from gateway_testpattern.encoder import split
from gateway_testpattern.sources import new_sequence, new_ssrc

_VIDEO_CLOCK = 90_000
_AAC = "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config={}"
_OPUS_CLOCK = 48_000
_LATEST = 2.0
"""Seconds behind, past which a film goes on from where it is: a process that was stopped sends no burst."""
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Piece:
    """One frame of the file; times in seconds from its beginning."""

    track: int
    shown: float
    due: float
    """Its place in decoding order: when it is sent."""
    keyframe: bool
    units: tuple[bytes, ...]


class Film:
    """Plays one file until cancelled."""

    def __init__(self, path: Path, clock: Clock, executor: Executor) -> None:
        self._path = path
        self._clock = clock
        self._executor = executor

    async def play(self, sink: MediaSink) -> None:
        """Describe the file and deliver it over and over. Raises GatewayError when it can't be read."""
        loop = asyncio.get_running_loop()
        reader = await loop.run_in_executor(self._executor, FilmReader, self._path)
        try:
            sink.describe(StreamDescription(reader.tracks))
            packetizers = [
                Packetizer(index, track, new_ssrc(), new_sequence()) for index, track in enumerate(reader.tracks)
            ]
            start, utc_ns = self._clock.monotonic(), self._clock.utc_ns()
            while True:
                piece = await loop.run_in_executor(self._executor, reader.read)
                ahead = start + piece.due - self._clock.monotonic()
                if ahead < -_LATEST:
                    start, utc_ns = start - ahead, utc_ns - round(ahead * _NS)
                await self._clock.sleep(max(0.0, ahead))
                rtp_time = round(piece.shown * reader.tracks[piece.track].clock_rate)
                moment = utc_ns + round(piece.shown * _NS)
                sink.deliver(packetizers[piece.track].unit(piece.units, rtp_time, moment, piece.keyframe))
        except ValueError as error:
            raise GatewayError(ErrorKind.UNSUPPORTED, f"the file {str(self._path)!r} can't be sent: {error}") from error
        finally:
            await asyncio.shield(loop.run_in_executor(self._executor, reader.close))


class FilmReader:
    """Reads frames in decoding order, times going on from one round to the next. Blocks; raises GatewayError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._container = self._open()
        self._streams = [stream for stream in _chosen(self._container) if stream is not None]
        if not self._streams or self._streams[0].type != "video":
            codecs = ", ".join(stream.codec_context.name for stream in self._container.streams.video) or "no video"
            self._container.close()
            raise self._problem(f"{codecs} can't be sent; H.264, H.265 and MJPEG can")
        self.tracks = tuple(_track(stream) for stream in self._streams)
        self._reading = threading.Lock()
        self._begins = 0.0
        self._ends = 0.0
        self._pieces = self._round()

    def read(self) -> Piece:
        """Return the next frame; after the last one comes the first again."""
        with self._reading:
            return self._read()

    def close(self) -> None:
        """Close the file, after the frame that another thread is reading."""
        with self._reading:
            self._container.close()

    def _read(self) -> Piece:
        piece = next(self._pieces, None)
        if piece is None:
            if self._ends <= self._begins:
                raise self._problem("it holds no frames")
            self._begins = self._ends
            self._rewind()
            self._pieces = self._round()
            piece = next(self._pieces, None)
        if piece is None:
            raise self._problem("it can't be rewound")
        return piece

    def _rewind(self) -> None:
        try:
            self._container.seek(0)
        except av.FFmpegError as error:
            raise self._problem(f"it can't be rewound: {error.strerror or error}") from error

    def _open(self) -> InputContainer:
        try:
            return av.open(str(self._path), "r")
        except (OSError, av.FFmpegError) as error:
            raise self._problem(error.strerror or str(error)) from error

    def _round(self) -> Iterator[Piece]:
        indexes = {stream.index: number for number, stream in enumerate(self._streams)}
        prepare = [_preparation(stream) for stream in self._streams]
        origin: float | None = None
        try:
            for packet in self._container.demux(*self._streams):
                if packet.dts is None or packet.pts is None or packet.time_base is None or not packet.size:
                    continue
                decoded, shown = float(packet.dts * packet.time_base), float(packet.pts * packet.time_base)
                length = float((packet.duration or 0) * packet.time_base)
                origin = decoded if origin is None else origin
                track = indexes[packet.stream_index]
                self._ends = max(self._ends, self._begins + decoded - origin + (length or 0.04))
                at = self._begins - origin
                keyframe = bool(packet.is_keyframe) or track > 0
                units = prepare[track](packet)
                if units:
                    yield Piece(track, at + shown, at + decoded, keyframe, units)
        except av.FFmpegError as error:
            raise self._problem(str(error)) from error

    def _problem(self, why: str) -> GatewayError:
        return GatewayError(ErrorKind.UNAVAILABLE, f"the file {str(self._path)!r} can't be played: {why}")


def _chosen(container: InputContainer) -> Iterator[Stream | None]:
    yield next((stream for stream in container.streams.video if stream.codec_context.name in _VIDEO), None)
    yield next((stream for stream in container.streams.audio if _plays(stream)), None)


_VIDEO = {"h264": "H264", "hevc": "H265", "mjpeg": "JPEG"}
_AUDIO = {"aac": "MPEG4-GENERIC", "pcm_mulaw": "PCMU", "pcm_alaw": "PCMA", "opus": "OPUS"}
_STATIC = {"JPEG": 26, "PCMU": 0, "PCMA": 8}


def _plays(stream: Stream) -> bool:
    name = stream.codec_context.name
    return name in _AUDIO and (name != "aac" or bool(stream.codec_context.extradata))


def _track(stream: Stream) -> TrackDescription:
    return _video_track(stream) if isinstance(stream, VideoStream) else _audio_track(cast("AudioStream", stream))


def _video_track(stream: VideoStream) -> TrackDescription:
    context = stream.codec_context
    encoding = _VIDEO[context.name]
    rate = float(stream.average_rate or 25)
    sets: tuple[bytes, ...] = ()
    fmtp = ""
    if encoding != "JPEG":
        sets = _parameter_sets(stream)
        fmtp = to_fmtp(encoding, sets)
    video = video_parameters(encoding, sets, rate) or estimated(context.width, context.height, rate)
    payload_type = _STATIC.get(encoding, 96)
    return TrackDescription(MediaKind.VIDEO, encoding, payload_type, _VIDEO_CLOCK, fmtp=fmtp, video=video)


def _parameter_sets(stream: Stream) -> tuple[bytes, ...]:
    """Return the parameter sets of the file's header, which the filter puts before the first key frame."""
    data = bytes(stream.codec_context.extradata or b"")
    if data[:1] != b"\x01":
        return split(data)
    return _avcc_sets(data) if stream.codec_context.name == "h264" else _hvcc_sets(data)


def _avcc_sets(data: bytes) -> tuple[bytes, ...]:
    """Return SPS and PPS of an `avcC` (ISO/IEC 14496-15 §5.3.3.1)."""
    sets, at = [], 5
    for _ in range(2):
        count, at = data[at] & 0x1F, at + 1
        for _ in range(count):
            size = int.from_bytes(data[at : at + 2], "big")
            sets.append(data[at + 2 : at + 2 + size])
            at += 2 + size
    return tuple(sets)


def _hvcc_sets(data: bytes) -> tuple[bytes, ...]:
    """Return VPS, SPS and PPS of an `hvcC` (ISO/IEC 14496-15 §8.3.3.1)."""
    sets, at = [], 23
    for _ in range(data[22]):
        count, at = int.from_bytes(data[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            size = int.from_bytes(data[at : at + 2], "big")
            sets.append(data[at + 2 : at + 2 + size])
            at += 2 + size
    return tuple(sets)


def _audio_track(stream: AudioStream) -> TrackDescription:
    context = stream.codec_context
    encoding = _AUDIO[context.name]
    clock_rate = _OPUS_CLOCK if encoding == "OPUS" else context.sample_rate
    channels = 2 if encoding == "OPUS" else context.channels
    fmtp = _AAC.format(bytes(context.extradata or b"").hex()) if encoding == "MPEG4-GENERIC" else ""
    audio = AudioParameters(context.sample_rate, context.channels, context.bit_rate or 64_000)
    payload_type = _STATIC.get(encoding, 97)
    return TrackDescription(MediaKind.AUDIO, encoding, payload_type, clock_rate, channels, fmtp, audio=audio)


def _preparation(stream: Stream) -> Callable[["av.Packet[Stream]"], tuple[bytes, ...]]:
    """Return what makes RTP payload of a packet of a stream."""
    name = stream.codec_context.name
    if name not in {"h264", "hevc"}:
        return lambda packet: (bytes(packet),)
    if bytes(stream.codec_context.extradata or b"")[:1] != b"\x01":
        return lambda packet: split(bytes(packet))
    to_annex_b = BitStreamFilterContext(f"{name}_mp4toannexb", stream)
    return lambda packet: tuple(unit for part in to_annex_b.filter(packet) for unit in split(bytes(part)))
