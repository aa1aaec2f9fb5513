"""When a login that was refused may be tried again."""

from gateway.domain.errors import GatewayError

FIRST_REFUSAL, LONGEST_REFUSAL = 60.0, 3600.0
"""Seconds after a refused login before the next: cameras lock accounts that fail a few times in some minutes."""


class Patience:
    """After a refused login: when the next may be tried. Its word is the refusal again until then."""

    def __init__(self) -> None:
        self._error: GatewayError | None = None
        self._pause = FIRST_REFUSAL
        self._until = 0.0

    def refused(self, error: GatewayError, now: float) -> None:
        """Take note of a refusal; the pauses double, and begin anew when there was none for long."""
        if now > self._until + LONGEST_REFUSAL:
            self._pause = FIRST_REFUSAL
        self._error, self._until = error, now + self._pause
        self._pause = min(self._pause * 2, LONGEST_REFUSAL)

    def accepted(self) -> None:
        """Take note of a login that was taken."""
        self._error = None

    def check(self, now: float) -> None:
        """Raise the last refusal while it is too early to try again."""
        if self._error is not None and now < self._until:
            raise GatewayError(self._error.kind, self._error.message)
