"""Label Studio through the sidecar: its pages in a browser, its REST API, its exports, and annotations both ways."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page

from sidecar.demo.setup import free_port
from tests.integration.browser import page_of
from tests.integration.front import Answer, Front, fronted
from tests.integration.software import executable, serving

TOKEN = "abcdef0123456789abcdef0123456789abcdef01"  # no secret: made for these tests
LOGIN, PASSWORD = "trainer@shop.example", "a-password-of-tests"
NAME, EMAIL, PHONE = "Marta Kowalczyk", "marta.kowalczyk@example.net", "+48 601 555 014"
TEXT = f"Hi, this is {NAME} 😀, my order never arrived. Write to {EMAIL} please, or call {PHONE} tomorrow."
TRACES = ("marta", "kowalczyk", "example.net", "601 555", "48601555014")
LABELS = """<View><Labels name="label" toName="text"><Label value="Problem"/><Label value="Contact"/></Labels>
<Text name="text" value="$text"/></View>"""
DIALOGUE = [
    {"author": NAME, "text": f"Hi, this is {NAME}, my order never arrived."},
    {"author": "Bot", "text": "Sorry to hear that, Marta. Which e-mail did you order with?"},
    {"author": NAME, "text": f"{EMAIL}, phone {PHONE}"},
]
PARAGRAPHS = """<View><ParagraphLabels name="label" toName="chat"><Label value="Problem"/></ParagraphLabels>
<Paragraphs name="chat" value="$dialogue" nameKey="author" textKey="text"/></View>"""


@dataclass(frozen=True, slots=True)
class Studio:
    """Label Studio with two projects of one task each, and the sidecar before it."""

    front: Front
    url: str
    project: int
    task: int
    chats: int
    chat: int

    def original(self, method: str, path: str, body: Any = None) -> Any:
        return ask(self.url, method, path, body)

    def shown(self, method: str, path: str, body: Any = None) -> Answer:
        return self.front.call(method, path, body, {"Authorization": f"Token {TOKEN}"})


def ask(url: str, method: str, path: str, body: Any = None) -> Any:
    """Call Label Studio itself, around the sidecar."""
    fields = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url + path, data, fields, method=method), timeout=60) as answer:
        return json.load(answer)


def new_project(url: str, title: str, labels: str, data: dict[str, Any]) -> tuple[int, int]:
    project = ask(url, "POST", "/api/projects", {"title": title, "label_config": labels})["id"]
    made = ask(url, "POST", f"/api/projects/{project}/import?return_task_ids=true", [data])
    return project, made["task_ids"][0]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("label-studio")
    port = free_port(0)
    url = f"http://127.0.0.1:{port}"
    user = ["--username", LOGIN, "--password", PASSWORD, "--user-token", TOKEN, "--enable-legacy-api-token"]
    place = ["--data-dir", str(folder / "data"), "--internal-host", "127.0.0.1", "--port", str(port)]
    command = [executable("label-studio", "label-studio"), "start", "--no-browser", *user, *place]
    quiet = {"COLLECT_ANALYTICS": "False", "LATEST_VERSION_CHECK": "False", "SENTRY_DSN": "", "NO_PROXY": "*"}
    with serving(command, folder, f"{url}/health", quiet), fronted(folder / "front", url, "Label Studio") as front:
        project, task = new_project(url, "Texts", LABELS, {"text": TEXT, "title": f"Chat of {NAME}"})
        chats, chat = new_project(url, "Chats", PARAGRAPHS, {"dialogue": DIALOGUE, "customer": {"name": NAME}})
        yield Studio(front, url, project, task, chats, chat)
        assert front.left_behind("kowalczyk", "example.net", "601 555 014", "48601555014") == [], "P60"


def traces_in(text: str) -> list[str]:
    return [trace for trace in TRACES if trace in text.lower()]


def log_in(page: Page, front: Front) -> None:
    page.goto(f"{front.origin}/user/login/")
    page.fill("input[name=email]", LOGIN)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(f"{front.origin}/")


PLACE_OF = """
(element, words) => {
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node; (node = texts.nextNode()); ) {
    const at = node.data.indexOf(words);
    if (at < 0) continue;
    const range = document.createRange();
    range.setStart(node, at);
    range.setEnd(node, at + words.length);
    const {left, right, top, bottom} = range.getBoundingClientRect();
    return [left, right, (top + bottom) / 2];
  }
}
"""


def select(page: Page, words: str) -> None:
    """Mark words of the task's text with the mouse, as an annotator does."""
    text = page.get_by_text("my order never arrived").last
    text.wait_for()
    left, right, middle = text.evaluate(PLACE_OF, words)
    page.mouse.move(left + 1, middle)
    page.mouse.down()
    page.mouse.move(right - 1, middle, steps=8)
    page.mouse.up()


def test_X1_X6_X7_annotate_in_the_page_and_find_it_at_the_same_words_of_the_original(studio: Studio) -> None:
    with page_of(studio.front) as page:
        log_in(page, studio.front)
        page.goto(f"{studio.front.origin}/projects/{studio.project}/data?task={studio.task}")
        page.get_by_text("my order never arrived").last.wait_for()
        shown = page.content()
        assert traces_in(shown) == []
        for label, words in (("Problem", "order never arrived"), ("Contact", "[EMAIL_")):
            page.get_by_text(label, exact=True).first.click()
            select(page, words)
        with page.expect_response(lambda answer: "/annotations" in answer.url and answer.status == 201) as submitted:
            page.get_by_role("button", name="Submit").click()
        answer = submitted.value.text()
    assert traces_in(answer) == []
    (stored,) = studio.original("GET", f"/api/tasks/{studio.task}/annotations/")
    marks = {one["value"]["labels"][0]: one["value"] for one in stored["result"]}
    assert (marks["Problem"]["text"], marks["Contact"]["text"]) == ("order never arrived", EMAIL)
    for mark in marks.values():
        assert TEXT[mark["start"] : mark["end"]] == mark["text"], "offsets and words of the original"


def test_X6_annotations_over_rest_there_and_back(studio: Studio) -> None:
    text = studio.shown("GET", f"/api/tasks/{studio.task}/").json["data"]["text"]
    assert traces_in(text) == []
    start = text.index("call [PHONE_1] tomorrow")
    words = "call [PHONE_1] tomorrow"
    value = {"start": start, "end": start + len(words), "text": words, "labels": ["Contact"]}
    region = {"id": "r1", "from_name": "label", "to_name": "text", "type": "labels", "value": value}
    made = studio.shown("POST", f"/api/tasks/{studio.task}/annotations/", {"result": [region]})
    assert made.status == 201
    assert made.json["result"][0]["value"] == value, "what comes back is what was sent"
    path = f"/api/annotations/{made.json['id']}/"
    stored = studio.original("GET", path)["result"][0]["value"]
    assert stored["text"] == f"call {PHONE} tomorrow" == TEXT[stored["start"] : stored["end"]]
    shorter = {**value, "end": start + len("call"), "text": "call"}
    assert studio.shown("PATCH", path, {"result": [{**region, "value": shorter}]}).status == 200
    assert studio.shown("GET", path).json["result"][0]["value"] == shorter
    stored = studio.original("GET", path)["result"][0]["value"]
    assert stored["text"] == "call" == TEXT[stored["start"] : stored["end"]]


def test_X6_paragraphs_of_a_dialogue(studio: Studio) -> None:
    dialogue = studio.shown("GET", f"/api/tasks/{studio.chat}/").json["data"]["dialogue"]
    assert traces_in(json.dumps(dialogue)) == []
    said = dialogue[2]["text"]
    words = said[said.index(",") + 2 :]
    value = {
        "start": "2", "end": "2", "startOffset": said.index(words), "endOffset": len(said), "text": words,
        "paragraphlabels": ["Problem"],
    }  # fmt: skip
    region = {"id": "p1", "from_name": "label", "to_name": "chat", "type": "paragraphlabels", "value": value}
    made = studio.shown("POST", f"/api/tasks/{studio.chat}/annotations/", {"result": [region]})
    assert made.status == 201
    stored = studio.original("GET", f"/api/annotations/{made.json['id']}/")["result"][0]["value"]
    assert stored["text"] == f"phone {PHONE}" == DIALOGUE[2]["text"][stored["startOffset"] : stored["endOffset"]]


def test_lists_name_nobody_and_keep_ids_and_paging(studio: Studio) -> None:
    project = f"/api/projects/{studio.project}/"
    for path in (f"/api/tasks?project={studio.project}&page_size=1", project, "/api/projects"):
        shown, original = studio.shown("GET", path), studio.original("GET", path)
        assert shown.status == 200
        assert traces_in(shown.text) == []
        assert numbers_of(shown.json) == numbers_of(original)
        assert shown.json.get("label_config") == original.get("label_config")


def numbers_of(value: Any) -> list[Any]:
    """Every number of a payload, in order: ids, counts, pages."""
    if isinstance(value, dict):
        return [one for member in value.values() for one in numbers_of(member)]
    if isinstance(value, list):
        return [one for item in value for one in numbers_of(item)]
    return [value] if isinstance(value, int | float) else []


@pytest.mark.parametrize("kind", ["JSON", "JSON_MIN", "CSV", "TSV"])
def test_X3_X8_exports_are_read_whatever_they_call_themselves(studio: Studio, kind: str) -> None:
    path = f"/api/projects/{studio.chats}/export?exportType={kind}&download_all_tasks=true"
    exported = studio.shown("GET", path)
    assert exported.status == 200
    assert traces_in(exported.text) == []
    assert re.search(r"\[EMAIL_\d+\], phone \[PHONE_\d+\]", exported.text)
    assert re.fullmatch(r'attachment; filename="[\w-]+\.(?:csv|json)"', exported.headers["content-disposition"])


def test_X3_imports_are_redacted_before_they_are_stored(studio: Studio) -> None:
    made = studio.shown("POST", f"/api/projects/{studio.project}/import?return_task_ids=true", [{"text": TEXT}])
    assert made.status == 201
    stored = studio.original("GET", f"/api/tasks/{made.json['task_ids'][0]}/")["data"]["text"]
    assert traces_in(stored) == []
    assert "[EMAIL_1]" in stored


def test_X1_a_foreign_page_can_not_log_anybody_in(studio: Studio) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://elsewhere.example"}
    assert studio.front.call("POST", "/user/login/", None, form).status == 403
