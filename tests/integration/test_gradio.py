"""A chatbot made with gradio through the sidecar: its page in a browser, whose answers come as appended pieces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.demo.setup import free_port
from tests.integration.browser import page_of
from tests.integration.front import Front, fronted
from tests.integration.software import executable, serving

APP = Path(__file__).parent / "apps" / "gradio_chatbot.py"
SAID = "hi, my phone is +48 601 555 014"
TRACES = ("marta", "kowal", "czyk", "example.net", "ple.net", "601 555 014")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("gradio")
    port = free_port(0)
    url = f"http://127.0.0.1:{port}"
    command = [executable("gradio", "python"), str(APP), str(port)]
    quiet = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    with serving(command, folder, url, quiet), fronted(folder / "front", url, "gradio") as one:
        yield one
        assert one.left_behind("kowalczyk", "example.net", "601 555 014") == [], "P60"


def test_P34_X4_the_page_shows_an_answer_that_names_nobody(front: Front) -> None:
    with page_of(front) as page:
        page.goto(f"{front.origin}/")
        box = page.locator("textarea").first
        box.click()
        page.keyboard.type(SAID)
        page.keyboard.press("Enter")
        answer = page.get_by_text("and you said: hi, my phone is [PHONE_").last
        answer.wait_for()
        shown = answer.inner_text()
        page_text = page.content().replace(SAID, "")  # what the trainer typed, the page shows by itself
    assert "your mail is [EMAIL_" in shown
    assert "Thanks [PERSON_" in shown
    assert [trace for trace in TRACES if trace in page_text.lower()] == []
