"""Sound for a simulated camera: a short beep at every full second, as G.711 µ-law; and what G.711 means."""

import numpy as np
from numpy.typing import NDArray

RATE = 8000
FRAME = 320
"""Samples in a packet: 40 ms."""

_BEEP_SAMPLES = 800
_FREQUENCY = 880.0
_LEVEL = 8000.0
_BIAS, _CLIP = 0x84, 32635


def second() -> bytes:
    """Return one second of µ-law samples that begins with the beep."""
    time = np.arange(RATE) / RATE
    envelope = np.where(np.arange(RATE) < _BEEP_SAMPLES, np.hanning(RATE * 2)[RATE - 1 :: -1][:RATE], 0.0)
    return ulaw((np.sin(2 * np.pi * _FREQUENCY * time) * envelope * _LEVEL).astype(np.int16)).tobytes()


def ulaw(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Compress 16-bit samples (ITU-T G.711)."""
    wide = samples.astype(np.int32)
    magnitude = np.minimum(np.abs(wide), _CLIP) + _BIAS
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = magnitude >> (exponent + 3) & 0x0F
    sign = np.where(wide < 0, 0x80, 0)
    compressed: NDArray[np.uint8] = (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8)
    return compressed


def _ulaw_levels() -> NDArray[np.int16]:
    """Return the 16-bit sample that each µ-law byte stands for (ITU-T G.711)."""
    code = ~np.arange(256) & 0xFF
    magnitude = ((code & 0x0F) << 3) + _BIAS << (code >> 4 & 0x07)
    return np.where(code & 0x80, _BIAS - magnitude, magnitude - _BIAS).astype(np.int16)


def _alaw_levels() -> NDArray[np.int16]:
    """Return the 16-bit sample that each A-law byte stands for (ITU-T G.711)."""
    code = np.arange(256) ^ 0x55
    exponent, mantissa = code >> 4 & 0x07, (code & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, mantissa + 0x108 << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


ULAW_LEVELS, ALAW_LEVELS = _ulaw_levels(), _alaw_levels()
