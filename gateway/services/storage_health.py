"""Where one storage stands: what its medium looks like, joined with how writing to it goes. No I/O."""

from dataclasses import dataclass, replace

from gateway.domain.storage import StorageState, StorageStatus, Volume

FIRST_RETRY, LONGEST_RETRY = 5.0, 60.0
"""Seconds until a storage that could not be written to is tried again."""

FORGET_SECONDS = 600.0
"""A failure that is so long ago, without another since, is forgotten."""

_MOST_RESERVE = 512 * 2**20
UNSEEN = StorageStatus(StorageState.NOT_INSTALLED, "it was not looked at yet")


@dataclass(frozen=True, slots=True)
class Room:
    """How much of a storage the archive uses, and how much it may still write. Bytes."""

    volume: Volume
    status: StorageStatus
    used: int

    @property
    def reserve(self) -> int:
        """What stays free in any case: file systems get slow and other programs break when there is nothing left."""
        return min(max(self.status.capacity // 100, _MOST_RESERVE), self.status.capacity // 20)

    @property
    def left(self) -> int:
        """What may still be written; negative when something has to go."""
        left = self.status.free - self.reserve
        return left if self.volume.limit is None else min(left, self.volume.limit - self.used)


@dataclass(frozen=True, slots=True)
class _Failure:
    cause: str
    until: float
    delay: float


class Health:
    """One storage. Times are monotonic seconds. Not safe for threads."""

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.used = 0
        self.silent = False
        """The medium did not answer in time."""
        self.formatting = False
        self.held = False
        """It is full, and nothing on it may be deleted."""
        self._seen = UNSEEN
        self.idle = False
        """After it was released, nothing writes to it any more."""
        self._released = False
        self._gone = False
        """After it was released, its medium was really taken out."""
        self._failure: _Failure | None = None

    @property
    def present(self) -> bool:
        """Whether its medium is there and ours, so that it can be deleted from, even if it can't be written to."""
        return self._seen.state is StorageState.OK and not (self.silent or self.formatting or self._released)

    @property
    def status(self) -> StorageStatus:
        """What its owner reads."""
        state, cause = self._seen.state, self._seen.cause
        if self.formatting:
            state, cause = StorageState.FORMATTING, ""
        elif self._released:
            how = "is safe to remove" if self.idle else "is being let go of"
            state, cause = StorageState.NOT_INSTALLED, f"storage {self.volume.id!r} {how}"
        elif self.silent:
            state, cause = StorageState.ERROR, f"storage {self.volume.id!r} does not answer"
        elif state is StorageState.OK and self._failure is not None:
            state, cause = StorageState.ERROR, self._failure.cause
        elif state is StorageState.OK and self.held:
            state = StorageState.ERROR
            cause = f"storage {self.volume.id!r} is full and nothing on it may be deleted: end holds, or add a storage"
        return replace(self._seen, state=state, cause=cause)

    @property
    def room(self) -> Room:
        """How much room there is."""
        return Room(self.volume, self._seen, self.used)

    def writable(self, now: float) -> bool:
        """Tell whether to write to it: it works, or it is time to try again whether it does."""
        tried = self._failure is None or now >= self._failure.until
        return self.present and tried and not (self.held and self.room.left <= 0)

    def see(self, found: StorageStatus, now: float) -> None:
        """Take what its medium looks like."""
        if found.state is StorageState.FORMATTING_REQUIRED and self.used:
            cause = f"the medium with the recordings of storage {self.volume.id!r} is not there: {found.cause}"
            found = replace(found, state=StorageState.NOT_INSTALLED, cause=cause)
        self._seen = found
        self.silent = False
        if found.state is not StorageState.OK:
            self._gone = self._released
        elif self._gone:
            self.take_back()
        if self._failure is not None and now >= self._failure.until + FORGET_SECONDS:
            self._failure = None

    def failed(self, cause: str, now: float) -> None:
        """Take that it could not be written to. Several failures at once count as one."""
        if self.formatting or self._released:
            return
        last = self._failure
        if last is None:
            self._failure = _Failure(cause, now + FIRST_RETRY, FIRST_RETRY)
        elif now >= last.until:
            delay = min(last.delay * 2, LONGEST_RETRY)
            self._failure = _Failure(cause, now + delay, delay)

    def wrote(self, now: float) -> None:
        """Take that it was written to; that ends a failure when it was time to try again."""
        if self._failure is not None and now >= self._failure.until:
            self._failure = None

    def release(self) -> None:
        """Let go of it, so that it can be taken out."""
        self._released, self._gone, self.idle = True, False, False

    def take_back(self) -> None:
        """Use it again."""
        self._released = self._gone = False
        self._failure = None
        self.held = False

    @property
    def let_go(self) -> bool:
        """Whether nothing may be written to it now, by its owner's wish."""
        return self._released or self.formatting
