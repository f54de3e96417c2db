"""nginx as the plain reverse proxy to compare with: the same certificates, one worker process, no access log."""

from __future__ import annotations

import shutil
from pathlib import Path

from sidecar.tls.dev_certs import DevCertificates

_CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    upstream chatbot {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_client_certificate {authority};
        ssl_verify_client on;
        ssl_verify_depth 3;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {{
            proxy_pass http://chatbot;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


def find_nginx() -> str | None:
    """Return the path of an installed nginx (on Debian: the package nginx-light), or None."""
    return shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


def nginx_command(
    program: str, folder: Path, certificates: DevCertificates, port: int, upstream: int
) -> tuple[str, ...]:
    """Write a configuration into ``folder`` and return the command that serves by it."""
    certificate, key = certificates.server
    file = folder / "nginx.conf"
    file.write_text(
        _CONFIGURATION.format(
            folder=folder, upstream=upstream, port=port, certificate=certificate, key=key, authority=certificates.ca
        )
    )
    return (program, "-c", str(file), "-p", str(folder), "-e", "stderr")
