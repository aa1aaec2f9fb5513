"""Who may GET: Digest, and Basic from clients that send it unasked (it is never offered)."""

import hmac
from base64 import b64decode
from binascii import Error as Base64Error

from aiohttp import web
from multidict import CIMultiDict

from gateway.domain.access import Account, Secret
from gateway.onvif.authentication import Gatekeeper

_MAX_CREDENTIALS = 1024
_PASSWORD = Secret("nobody has this password")


class HttpAccess:
    """Admits web requests by the same accounts and limits as ONVIF and RTSP."""

    def __init__(self, gatekeeper: Gatekeeper) -> None:
        self._gatekeeper = gatekeeper

    def __call__(self, request: web.Request) -> Account | web.Response:
        """Return the account of a request, or the response that refuses it."""
        address = (request.remote or "").removeprefix("::ffff:")
        authorization = request.headers.get("Authorization")
        if authorization is not None and authorization.lower().startswith("basic "):
            account = self._basic(address, authorization[6:].strip())
            return account or _refuse(self._gatekeeper.challenges())
        result = self._gatekeeper.admit(address, request.method, authorization, request.raw_path)
        if isinstance(result, Account):
            return result
        return web.Response(status=429, text="too many failures\n") if result.blocked else _refuse(result.challenges)

    def _basic(self, address: str, credentials: str) -> Account | None:
        """Check Basic credentials (RFC 7617); those of an unknown user cost the same."""
        if self._gatekeeper.blocked(address) or len(credentials) > _MAX_CREDENTIALS:
            return None
        try:
            name, _, password = b64decode(credentials, validate=True).decode("utf-8", "replace").partition(":")
        except (Base64Error, ValueError):
            return None
        account = self._gatekeeper.find(name)
        expected = (_PASSWORD if account is None else account.password).reveal()
        if hmac.compare_digest(expected.encode(), password.encode()) and account is not None:
            return account
        self._gatekeeper.failed(address)
        return None


def _refuse(challenges: tuple[str, ...]) -> web.Response:
    """Return the challenge. FFmpeg reads only the last one, and knows nothing but MD5."""
    headers: CIMultiDict[str] = CIMultiDict()
    for challenge in (*challenges, *(challenges[:1] if len(challenges) > 1 else ())):
        headers.add("WWW-Authenticate", challenge)
    return web.Response(status=401, headers=headers, text="credentials are needed\n")
