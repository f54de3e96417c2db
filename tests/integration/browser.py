"""A real browser with a trainer's client certificate: Chromium, driven by Playwright."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

from sidecar.access import Role
from tests.integration.front import Front
from tests.integration.software import chromium

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def page_of(front: Front) -> Iterator[Page]:
    """Yield an empty page of a browser with a profile of its own, which shows ``front`` the trainer's certificate."""
    browser_path = chromium()
    certificate, key = front.certificates.client(Role.TRAINER)
    os.environ["NODE_EXTRA_CA_CERTS"] = str(front.certificates.ca)  # whom Playwright trusts
    shown = {"origin": front.origin, "certPath": str(certificate), "keyPath": str(key)}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, headless=True, args=FLAGS)
        # Playwright shows the certificate on the browser's behalf, and is to it a server with one of its own.
        context = browser.new_context(client_certificates=[shown], ignore_https_errors=True)
        context.set_default_timeout(180_000)
        try:
            yield context.new_page()
        finally:
            context.close()
            browser.close()
