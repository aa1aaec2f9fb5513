"""A web service that is told of events: it knows the sender by the signature, and each event by its id.

Run with the Python of the gateway's own environment: hook_receiver.py ADDRESS PORT SECRET. Prints a line when it
listens, and then every document that it is sent, one a line. It ends at SIGTERM.
"""

# ruff: noqa: T201 - it prints what it is sent

import json
import sys

from aiohttp import web
from standardwebhooks import Webhook


def main(address: str, port: int, secret: str) -> None:
    known = Webhook(secret)

    async def answer(request: web.Request) -> web.Response:
        print(json.dumps(known.verify(await request.read(), dict(request.headers))), flush=True)
        return web.Response()

    async def listening(_: web.Application) -> None:
        print(json.dumps({"listening": port}), flush=True)

    application = web.Application()
    application.router.add_post("/hook", answer)
    application.on_startup.append(listening)
    web.run_app(application, host=address, port=port, print=None)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
