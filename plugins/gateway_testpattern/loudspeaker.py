"""The loudspeaker of a simulated camera, right before its microphone: what it plays comes back in the sound."""

from collections import deque
from collections.abc import AsyncIterator

import numpy as np
from numpy.typing import NDArray

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import AudioParameters, MediaKind, TrackDescription
from gateway.protocols.rtp import packet as rtp
from gateway_testpattern import tone

MAX_SECONDS = 2
"""What is told faster than it can be played is kept for so long; the oldest goes first."""
_LOUDEST = 32_767


class Loudspeaker:
    """As `gateway.sdk.controls.AudioBackchannel`: takes G.711 of both kinds."""

    tracks = tuple(
        TrackDescription(
            MediaKind.AUDIO, encoding, payload_type, tone.RATE, audio=AudioParameters(tone.RATE, 1, tone.RATE * 8)
        )
        for encoding, payload_type in (("PCMU", 0), ("PCMA", 8))
    )

    def __init__(self) -> None:
        self._samples: deque[int] = deque(maxlen=MAX_SECONDS * tone.RATE)

    async def talk(self, track: TrackDescription, packets: AsyncIterator[bytes]) -> None:
        """Play what comes. Raises GatewayError (INVALID) for another encoding."""
        if track not in self.tracks:
            raise GatewayError(ErrorKind.INVALID, f"the loudspeaker knows no {track.encoding!r}")
        levels = tone.ULAW_LEVELS if track.encoding == "PCMU" else tone.ALAW_LEVELS
        async for data in packets:
            packet = rtp.parse(data)
            if packet is not None:
                self._samples.extend(levels[np.frombuffer(packet.payload, np.uint8)].tolist())

    def mixed(self, sound: bytes | memoryview) -> bytes | memoryview:
        """Return µ-law samples of the microphone with what is played meanwhile."""
        count = min(len(sound), len(self._samples))
        if not count:
            return sound
        heard: NDArray[np.int32] = tone.ULAW_LEVELS[np.frombuffer(sound, np.uint8)].astype(np.int32)
        heard[:count] += [self._samples.popleft() for _ in range(count)]
        return tone.ulaw(np.clip(heard, -_LOUDEST, _LOUDEST).astype(np.int16)).tobytes()
