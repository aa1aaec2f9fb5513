"""Passes TCP on and keeps what the far side answers: wiretap.py ADDRESS PORT TO_ADDRESS TO_PORT FOLDER.

Prints {"ready": true} once it listens. Every connection's answers are one file in FOLDER, whole as soon as the
connection is closed.
"""

# ruff: noqa: T201 - it says when it is ready

import asyncio
import itertools
import json
import sys
from pathlib import Path

_CHUNK = 65536
_numbers = itertools.count()


async def main(address: str, port: str, to_address: str, to_port: str, folder: str) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, questions = await asyncio.open_connection(to_address, int(to_port))
        with (Path(folder) / f"{next(_numbers):05}").open("wb") as kept:

            async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, *, keep: bool) -> None:
                try:
                    while data := await source.read(_CHUNK):
                        if keep:
                            kept.write(data)
                        target.write(data)
                        await target.drain()
                except ConnectionError:
                    pass
                finally:
                    target.close()

            await asyncio.gather(carry(reader, questions, keep=False), carry(answers, writer, keep=True))

    server = await asyncio.start_server(connected, address, int(port))
    print(json.dumps({"ready": True}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
