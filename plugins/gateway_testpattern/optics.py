"""What the head and the settings of a simulated camera make of its picture."""

from dataclasses import dataclass

import numpy as np

from gateway_testpattern.colour import BLACK, NEUTRAL, WHITE, Plane

NEUTRAL_LEVEL = 50.0
"""Of brightness, contrast and saturation, which go from 0 to 100."""
_ZOOMED = 3.0
"""How much larger the largest picture is than the smallest."""
_BLUR = 24
"""Pixels of 720 lines that run together when the focus is as wrong as can be."""
_GREY = 126


@dataclass(frozen=True, slots=True)
class View:
    """How the scene is seen; as it is made, it is the scene itself."""

    pan: float = 0.0
    tilt: float = 0.0
    zoom: float = 0.0
    brightness: float = NEUTRAL_LEVEL
    contrast: float = NEUTRAL_LEVEL
    saturation: float = NEUTRAL_LEVEL
    exposure: float = 1.0
    """Light as a part of the right one."""
    red: float = 0.0
    blue: float = 0.0
    """White balance: what is added, from -1 to 1."""
    grey: bool = False
    blur: float = 0.0
    """From 0 to 1."""

    @property
    def at_home(self) -> bool:
        """Whether the whole scene is seen, from the front."""
        return not (self.pan or self.tilt or self.zoom)


PLAIN = View()


def warp(plane: Plane, view: View) -> Plane:
    """Return a plane as the head sees it: the scene goes round for pan, and ends above and below."""
    height, width = plane.shape
    closer = 1 + _ZOOMED * view.zoom
    columns = (0.5 + view.pan / 2 + ((np.arange(width) + 0.5) / width - 0.5) / closer) % 1.0 * width
    rows = np.clip(0.5 - view.tilt / 4 + ((np.arange(height) + 0.5) / height - 0.5) / closer, 0.0, 0.9999) * height
    coarse = 1 + round(view.blur * _BLUR * height / 720)
    return plane[np.ix_(rows.astype(int) // coarse * coarse, columns.astype(int) // coarse * coarse)]


def luma_table(view: View) -> Plane:
    """Return the new level of Y for each of 256."""
    levels = np.arange(256, dtype=np.float32)
    lit = BLACK + (levels - BLACK) * view.exposure
    steep = (lit - _GREY) * (view.contrast / NEUTRAL_LEVEL) + _GREY
    table: Plane = np.clip(steep + (view.brightness - NEUTRAL_LEVEL) * 2, BLACK, WHITE).astype(np.uint8)
    return table


def chroma_table(view: View, gain: float) -> Plane:
    """Return the new level of Cb or Cr for each of 256, given what the white balance adds to it."""
    vivid = 0.0 if view.grey else view.saturation / NEUTRAL_LEVEL
    levels = (np.arange(256, dtype=np.float32) - NEUTRAL) * vivid + NEUTRAL + gain * 48
    table: Plane = np.clip(levels, 16, 240).astype(np.uint8)
    return table
