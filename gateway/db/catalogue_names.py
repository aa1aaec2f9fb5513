"""Names that stand in millions of rows as small integers, and what a segment is called when nobody minds."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Table, bindparam, insert, select

from gateway.db.catalogue_schema import RECORDINGS, STORAGES, TRACKS
from gateway.domain.errors import ErrorKind, GatewayError

ANY = 1
"""The bit that every segment has beside those of its tracks."""

_MAX_TRACKS = 62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_NUMBER = {table: select(table.c.id).where(table.c.token == bindparam("token")) for table in (RECORDINGS, STORAGES)}
_TOKEN = {table: select(table.c.token).where(table.c.id == bindparam("id")) for table in (RECORDINGS, STORAGES)}
_TRACKS = select(TRACKS).where(TRACKS.c.recording == bindparam("recording")).order_by(TRACKS.c.mask)


class Names:
    """The numbers of recordings, tracks and storages. Rows are only ever added, so what was read once stays true."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._tokens: dict[tuple[str, int], str] = {}
        self._masks: dict[int, dict[str, int]] = {}

    def recording(self, connection: Connection, token: str) -> int | None:
        """Return the number of a recording, if it has one."""
        return self._number(connection, RECORDINGS, token)

    def storage(self, connection: Connection, token: str) -> int | None:
        """Return the number of a storage, if it has one."""
        return self._number(connection, STORAGES, token)

    def recording_token(self, connection: Connection, number: int) -> str:
        """Return the recording with a number."""
        return self._token(connection, RECORDINGS, number)

    def storage_token(self, connection: Connection, number: int) -> str:
        """Return the storage with a number."""
        return self._token(connection, STORAGES, number)

    def tracks(self, connection: Connection, recording: int, mask: int) -> tuple[str, ...]:
        """Return the tracks of a mask, in the order in which the recording first had them."""
        known = self._masks.get(recording, {})
        if mask & ~sum(known.values()):
            known = self._read_masks(connection, recording)
        return tuple(token for token, bit in known.items() if bit & mask and bit != ANY)

    def make_recording(self, connection: Connection, token: str) -> int:
        """Return the number of a recording; a new one is given one."""
        number = self.recording(connection, token)
        if number is not None:
            return number
        number = self._make(connection, RECORDINGS, token, longest_ns=0, longest_run_ns=0)
        connection.execute(insert(TRACKS).values(recording=number, mask=ANY, token=""))
        return number

    def make_storage(self, connection: Connection, token: str) -> int:
        """Return the number of a storage; a new one is given one."""
        number = self.storage(connection, token)
        return self._make(connection, STORAGES, token) if number is None else number

    def make_mask(self, connection: Connection, recording: int, tokens: tuple[str, ...]) -> int:
        """Return the mask of tracks; new ones are given a bit. Raises GatewayError past 61 tracks."""
        known = self._masks.get(recording) or self._read_masks(connection, recording)
        for token in tokens:
            if token in known:
                continue
            if len(known) == _MAX_TRACKS:
                raise GatewayError(ErrorKind.LIMIT, f"a recording can't have more tracks than {_MAX_TRACKS}")
            known[token] = 1 << len(known)
            connection.execute(insert(TRACKS).values(recording=recording, mask=known[token], token=token))
        return ANY | sum(known[token] for token in set(tokens))

    def _number(self, connection: Connection, table: Table, token: str) -> int | None:
        number = self._numbers.get((table.name, token))
        if number is None:
            number = connection.execute(_NUMBER[table], {"token": token}).scalar()
            if number is not None:
                self._numbers[table.name, token] = number
        return number

    def _token(self, connection: Connection, table: Table, number: int) -> str:
        token = self._tokens.get((table.name, number))
        if token is None:
            token = str(connection.execute(_TOKEN[table], {"id": number}).scalar_one())
            self._tokens[table.name, number] = token
        return token

    def _make(self, connection: Connection, table: Table, token: str, **others: object) -> int:
        result = connection.execute(insert(table).values(token=token, **others))
        (number,) = result.inserted_primary_key or (0,)
        self._numbers[table.name, token] = number
        return number

    def _read_masks(self, connection: Connection, recording: int) -> dict[str, int]:
        rows = connection.execute(_TRACKS, {"recording": recording})
        self._masks[recording] = {row.token: row.mask for row in rows}
        return self._masks[recording]


def usual_name(recording: str, start_ns: int) -> str:
    """Return `RECORDING/YYYY-MM-DD/HH-MM-SS.mmmZ.mp4`, which a row need not keep."""
    start = _EPOCH + timedelta(milliseconds=start_ns // 1_000_000)
    return f"{recording}/{start:%Y-%m-%d/%H-%M-%S}.{start.microsecond // 1000:03}Z.mp4"
