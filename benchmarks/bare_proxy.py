"""What a proxy costs that only passes bytes on: the same TLS, the same library, nothing else.

Usage: python -m benchmarks.bare_proxy PORT UPSTREAM_PORT CERTIFICATES_FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import aiohttp
from aiohttp import web

from benchmarks.processes import serve_forever
from sidecar.tls.contexts import ClientAuth, ServerTls, server_context
from sidecar.tls.dev_certs import DevCertificates


class BareProxy:
    """Reads an answer whole and hands it on, as the sidecar must for JSON."""

    def __init__(self, upstream_port: int) -> None:
        self._origin = f"http://127.0.0.1:{upstream_port}"
        self._session: aiohttp.ClientSession | None = None

    async def start(self, port: int, certificates: DevCertificates) -> web.ServerRunner:
        self._session = aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar())
        runner = web.ServerRunner(web.Server(self._pass_on), access_log=None)
        await runner.setup()
        tls = server_context(ServerTls(*certificates.server, ClientAuth.REQUIRED, certificates.ca))
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
        return runner

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        assert self._session is not None
        async with self._session.request(request.method, self._origin + request.path_qs) as answer:
            body = await answer.read()
            return web.Response(status=answer.status, body=body, content_type=answer.content_type)


def main() -> None:
    port, upstream_port, folder = sys.argv[1:]
    serve_forever(BareProxy(int(upstream_port)).start(int(port), DevCertificates(Path(folder))))


if __name__ == "__main__":
    main()
