"""Lettering for pictures: an alphabet drawn as strokes, rendered at any size without font files.

Every glyph is a few strokes on a grid with its cap height at 8 units. A stroke is written as pairs of digits, `xy`;
a leading `~` makes it a smooth curve (a clamped quadratic B-spline over the points) and a leading `o` a closed one.
A stroke of one point is a dot. Lower case is drawn as capitals; accents fall away; what has no glyph is a box.
"""

import unicodedata
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

CAP_UNITS = 8
"""Height of a capital in grid units."""

_STEPS = 8
_BOX = "0008484000"
_STROKES: dict[str, str] = {
    "A": "083068 1555",
    "B": "0008 ~003050543404 ~043464683808",
    "C": "~62600004086866",
    "D": "0008 ~00306064683808",
    "E": "50000858 0444",
    "F": "500008 0444",
    "G": "~62600004086864 6434",
    "H": "0008 6068 0464",
    "I": "0008",
    "J": "~5055580806",
    "K": "0008 6005 2368",
    "L": "000858",
    "M": "0800356068",
    "N": "08006860",
    "O": "o006064680804",
    "P": "0008 ~003060643404",
    "Q": "o006064680804 4668",
    "R": "0008 ~003060643404 3468",
    "S": "~6260000464680806",
    "T": "0060 3038",
    "U": "~000408686460",
    "V": "003860",
    "W": "0028426880",
    "X": "0068 6008",
    "Y": "003460 3438",
    "Z": "00600868",
    "0": "o005054580804",
    "1": "123038",
    "2": "~0200505408 0858",
    "3": "~0200505424 ~2454580806",
    "4": "48400656",
    "5": "500003 ~03235355580806",
    "6": "~5250000406 o03535808",
    "7": "005028",
    "8": "o00505404 o04545808",
    "9": "~0608585452 o55050050",
    ":": "02 06",
    ".": "08",
    ",": "0709",
    "-": "0434",
    "_": "0858",
    "/": "0840",
    "(": "~200428",
    ")": "~002408",
    "+": "0444 2226",
    "=": "0343 0545",
    "!": "0005 08",
    "?": "~02005054242526 28",
    "'": "0002",
    '"': "0002 2022",
    "#": "2018 5048 0363 0565",
    "&": "~6812110040422505084865",
    "·": "04",
    "°": "o00202202",
    "Б": "500008 ~043464683808",
    "Г": "500008",
    "Д": "17205057 09076769",
    "Ж": "004408 804488 4048",
    "\u0417": "~0200606424 ~2464680806",
    "И": "00086068",
    "Л": "08206068",
    "П": "08006068",
    "\u0423": "0035 6018",
    "Ф": "3038 o01616606",
    "Ц": "00086869 6068",
    "Ч": "6068 ~00053565",
    "Ш": "00088880 4048",
    "Щ": "0008888089 4048",
    "Ъ": "001018 ~143464683818",
    "Ы": "0008 ~042454582808 8088",
    "\u042c": "0008 ~043464683808",
    "Э": "~02006064680806 2464",
    "Є": "~62600004086866 0444",
    "Ю": "0008 0424 o208084882824",
    "Я": "6068 ~603000043464 3408",
}
_ALIKE = str.maketrans("АВЕКМНОРСТХІЅЈҐ–—×", "ABEKMHOPCTXISJГ--X")  # noqa: RUF001 - that they look alike is the point


class Lettering:
    """The alphabet at one size.

    `cap_height` is the height of a capital in pixels and `weight` the thickness of a stroke as a part of it.
    """

    def __init__(self, cap_height: float, weight: float = 0.14) -> None:
        self._unit = cap_height / CAP_UNITS
        self._radius = cap_height * weight / 2
        self._pad = int(np.ceil(self._radius + 1))
        self.height = int(np.ceil(cap_height + self._unit)) + 2 * self._pad
        """Height in pixels of everything this draws."""
        self._glyphs: dict[str, NDArray[np.uint8]] = {}

    def glyph(self, character: str) -> NDArray[np.uint8]:
        """Return the coverage of one character, 0 to 255, of shape (height, its width)."""
        if character not in self._glyphs:
            self._glyphs[character] = self._draw(_strokes(character))
        return self._glyphs[character]

    def text(self, text: str) -> NDArray[np.uint8]:
        """Return the coverage of a line of text, 0 to 255, of shape (height, its width)."""
        return np.concatenate([self.glyph(character) for character in prepare(text) or " "], axis=1)

    def fit(self, text: str, width: int) -> NDArray[np.uint8]:
        """Return the coverage of as much of a line as fits into a width, with dots where it was cut."""
        drawn = self.text(text)
        kept = len(text)
        while drawn.shape[1] > width and kept > 0:
            kept -= 1
            drawn = self.text(text[:kept].rstrip() + "...")
        return drawn[:, :width]

    def _draw(self, strokes: tuple[NDArray[np.float64], ...]) -> NDArray[np.uint8]:
        right = max((float(points[:, 0].max()) for points in strokes), default=2.0)
        advance = 2 * self._pad + round((right + 0.6) * self._unit)
        y, x = np.mgrid[0 : self.height, 0:advance] + 0.5 - self._pad
        nearest = np.full(x.shape, np.inf)
        for points in strokes:
            scaled = points * self._unit
            for start, end in pairwise(scaled):
                nearest = np.minimum(nearest, _distance(x, y, start, end))
        return np.rint(np.clip(self._radius - nearest + 0.5, 0, 1) * 255).astype(np.uint8)


def prepare(text: str) -> str:
    """Return the text in the characters that have glyphs: capitals without accents."""
    plain = unicodedata.normalize("NFKD", text.upper().translate(_ALIKE))
    return "".join(character for character in plain if not unicodedata.combining(character))


@cache
def _strokes(character: str) -> tuple[NDArray[np.float64], ...]:
    if character.isspace():
        return ()
    return tuple(_points(stroke) for stroke in _STROKES.get(character, _BOX).split())


def _points(stroke: str) -> NDArray[np.float64]:
    kind, digits = (stroke[0], stroke[1:]) if stroke[0] in "~o" else ("", stroke)
    pairs = zip(digits[::2], digits[1::2], strict=True)
    points = np.array([(int(x), int(y)) for x, y in pairs], dtype=np.float64)
    if kind:
        return _spline(points, closed=kind == "o")
    return points if len(points) > 1 else np.repeat(points, 2, axis=0)


def _spline(points: NDArray[np.float64], *, closed: bool) -> NDArray[np.float64]:
    """Return points along the quadratic B-spline: parabolas between the middles of the control polygon's sides."""
    if closed:
        points = np.vstack([points, points[:2]])
    middles = (points[:-1] + points[1:]) / 2
    if not closed:
        middles[0], middles[-1] = points[0], points[-1]
    t = np.linspace(0, 1, _STEPS)[:, None]
    arcs = [
        (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
        for start, control, end in zip(middles[:-1], points[1:-1], middles[1:], strict=True)
    ]
    return np.concatenate(arcs)


def _distance(
    x: NDArray[np.float64], y: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    dx, dy = end - start
    length = dx * dx + dy * dy
    along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / length, 0, 1) if length else 0.0
    return np.asarray(np.hypot(x - start[0] - along * dx, y - start[1] - along * dy))
