"""What changes from picture to picture, and whether the camera itself has turned."""

import numpy as np

from gateway_framediff.cells import Grid, Group, Mask, extremes, spread_out

REACH = 2
"""Cells around what changed between the last two pictures, in which a change carries on."""
LEAST = 8
"""Cells that must change on in a group: drops of rain, noise and new key frames change others each time."""
TURNING, TURNED = 0.1, 0.6
"""Share of the picture that a camera changes when it turns; share of the difference that is left at most when the last
picture is moved accordingly."""


class Changes:
    """Compares each picture with the one before."""

    def __init__(self) -> None:
        self._now: Grid | None = None
        self._before: Grid | None = None
        self._changed: Mask | None = None
        self._lasting: Mask | None = None
        self.share = 0.0
        """Share of the cells that differ from the last picture."""

    def look(self, cells: Grid, floor: Grid | float) -> None:
        """Take the next picture; what differs by more than `floor` has changed."""
        last, before = self._now, self._changed
        self._now, self._before = cells, last
        if last is None:
            self._changed = np.zeros(cells.shape, bool)
            return
        shifted = last + np.median(cells - last)
        low, high = extremes(shifted)
        changed: Mask = np.maximum(cells - high, low - cells) > floor
        self.share = float(changed.mean())
        self._changed = changed
        self._lasting = None if before is None else changed & _around(before)

    def carry_on(self, group: Group) -> bool:
        """Tell whether enough of a group has changed again near to where it changed in the last picture."""
        lasting = self._lasting
        return lasting is not None and int(np.count_nonzero(lasting[group.rows, group.columns])) >= LEAST

    def turned(self) -> bool:
        """Tell whether the picture is the one before it, seen from a camera that has turned."""
        if self._now is None or self._before is None or self.share < TURNING:
            return False
        before, now = self._before, self._now
        across, down = _shift(before, now)
        if not (across or down):
            return False
        rows, columns = now.shape
        part = now[max(0, down) : rows + min(0, down), max(0, across) : columns + min(0, across)]
        moved = before[max(0, -down) : rows - max(0, down), max(0, -across) : columns - max(0, across)]
        still = float(np.abs(now - before).mean())
        return part.size >= now.size / 2 and float(np.abs(part - moved).mean()) < TURNED * still


def _shift(before: Grid, cells: Grid) -> tuple[int, int]:
    """Return by how many columns and rows a picture lies beside another one (phase correlation)."""
    spectrum = np.fft.rfft2(cells - cells.mean()) * np.conj(np.fft.rfft2(before - before.mean()))
    spectrum /= np.maximum(np.abs(spectrum), 1e-6)
    peak = int(np.fft.irfft2(spectrum, cells.shape).argmax())
    down, across = divmod(peak, cells.shape[1])
    rows, columns = cells.shape
    return (across - columns if across > columns // 2 else across), (down - rows if down > rows // 2 else down)


def _around(mask: Mask) -> Mask:
    for _ in range(REACH):
        mask = spread_out(mask)
    return mask
