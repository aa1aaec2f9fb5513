"""The login to a camera, as aiortsp wants an authentication: with our own Digest."""

from collections.abc import Mapping
from typing import Any

from gateway.domain.access import Secret
from gateway.protocols.http_auth import DigestClient
from gateway.rtsp_client.url import CameraUrl


class Credentials:
    """Answers the challenges of one server."""

    def __init__(self, username: str, password: Secret, *, digest_only: bool) -> None:
        self._client = DigestClient(username, password)
        self._digest_only = digest_only

    @classmethod
    def of(cls, url: CameraUrl, *, digest_only: bool) -> "Credentials | None":
        """Return those of an address, None when it has none."""
        if not url.username and not url.password:
            return None
        return cls(url.username, url.password or Secret(""), digest_only=digest_only)

    def handle_401(self, headers: Mapping[str, Any]) -> bool:
        """Tell whether the request is worth repeating."""
        given = headers.get("www-authenticate", [])
        values = [given] if isinstance(given, str) else list(given)
        if self._digest_only:
            values = [value for value in values if value.lower().startswith("digest")]
        return self._client.challenged(values)

    def handle_ok(self, headers: Mapping[str, Any]) -> None:
        """Nothing to learn."""

    def make_auth(self, method: str, url: str, headers: dict[str, str]) -> None:
        """Add what has been asked for to a request."""
        authorization = self._client.authorization(method, url)
        if authorization is not None:
            headers["Authorization"] = authorization
