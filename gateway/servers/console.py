"""The console's status page: every camera with its last picture, state and addresses."""

from collections.abc import Callable
from html import escape
from typing import Protocol

from aiohttp import web

from gateway.domain.access import Account
from gateway.domain.camera import Channel, ChannelProfile
from gateway.domain.media import MediaKind

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--quiet:#888}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;padding:1.5rem;max-width:80rem}
header{display:flex;gap:1rem;align-items:baseline;flex-wrap:wrap;margin-bottom:1rem}
h1{font-size:1.3rem;margin:0}header p{margin:0;color:var(--quiet)}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(20rem,1fr));gap:1rem}
article{border:1px solid var(--line);border-radius:.5rem;overflow:hidden}
img{display:block;width:100%;aspect-ratio:16/9;object-fit:contain;background:#111}
article>div{padding:.75rem 1rem}h2{font-size:1rem;margin:0;display:flex;justify-content:space-between}
.online{color:#2a9d55}.offline{color:#d64545}.connecting{color:#c58a17}
dl{margin:.5rem 0 0;font-size:.85rem}dt{color:var(--quiet)}dd{margin:0 0 .25rem;overflow-wrap:anywhere}
"""


class Authenticator(Protocol):
    """Admits a request or answers it with a challenge."""

    def __call__(self, request: web.Request) -> Account | web.Response:
        """Return the account, or the response that refuses."""
        ...


class Cameras(Protocol):
    """Where the channels come from."""

    def channels(self) -> tuple[Channel, ...]:
        """Return every camera in order."""
        ...


def console_routes(
    name: str, cameras: Cameras, admit: Authenticator, rtsp_base: Callable[[str], str]
) -> web.RouteTableDef:
    """Return the console's routes. `rtsp_base` makes `rtsp://HOST:PORT` of the host the browser used."""
    routes = web.RouteTableDef()

    @routes.get("/")
    async def _status(request: web.Request) -> web.Response:
        account = admit(request)
        if isinstance(account, web.Response):
            return account
        host = request.url.host or "localhost"
        page = status_page(name, cameras.channels(), rtsp_base(f"[{host}]" if ":" in host else host))
        return web.Response(text=page, content_type="text/html", headers=_HEADERS)

    return routes


def status_page(name: str, channels: tuple[Channel, ...], rtsp: str) -> str:
    """Return the page as HTML; every name in it is escaped."""
    online = sum(channel.state.value == "online" for channel in channels)
    cards = "".join(_card(channel, rtsp) for channel in channels) or "<p>No cameras are configured.</p>"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(name)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style><header><h1>{escape(name)}</h1>"
        f"<p>{online} of {len(channels)} cameras online</p></header><main>{cards}</main></html>"
    )


def _card(channel: Channel, rtsp: str) -> str:
    streams = "".join(_stream(profile, rtsp) for profile in channel.profiles)
    return (
        f'<article><img loading="lazy" src="/snapshot/{escape(channel.id)}/main" '
        f'alt="Last picture of {escape(channel.name)}">'
        f'<div><h2>{escape(channel.name)}<span class="{channel.state}">{channel.state}</span></h2>'
        f"<dl>{streams}</dl></div></article>"
    )


def _stream(profile: ChannelProfile, rtsp: str) -> str:
    track = profile.description.first(MediaKind.VIDEO)
    video = track.video if track else None
    what = f"{track.encoding} {video.width}×{video.height}, {video.frame_rate:g} fps" if track and video else "no video"  # noqa: RUF001
    return f"<dt>{escape(profile.name)} · {escape(what)}</dt><dd>{escape(rtsp + profile.path)}</dd>"
