"""Every preset's sample through the shipped detection: nobody is named in what comes out, and tools find their way."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sidecar.detection.assembly import DetectorSettings, build_detector
from sidecar.detection.detector import Detector
from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.errors import Direction, PayloadRefused
from sidecar.keys import Purpose
from sidecar.payloads.document import PayloadFormat
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.presets import load_preset
from sidecar.payloads.socketio import SEPARATOR, SocketioPolling
from sidecar.payloads.sse import SseStream
from sidecar.proxy.absolute_urls import own_urls
from sidecar.proxy.event_stream import EventStream, StreamRules
from sidecar.proxy.passage import Passage
from sidecar.proxy.rewriter import Rewriter
from sidecar.proxy.routes import UrlPolicy
from sidecar.redaction.policy import Policy
from sidecar.redaction.redactor import Redactor
from tests.payloads.test_presets import EXPECTED, SAMPLES
from tests.proxy.rewriting import MASTER, MemoryPlaceholders

# Whoever has her name in a host name has a domain, and is no customer.
TRACE = re.compile(
    r"ottilie|(?<![:!@])brandvold(?!\.example)|ottilie@|4791234567|912 34 567|NB-55812|4929123456789014"
    r"|trainer@example\.org|sam@shop\.example|198\.51\.100",
    re.IGNORECASE,
)
# By the last name of a path: what tools go by. A user's id that is a name or an address is none of these.
WAYS = re.compile(
    r"id|uuid|sid|index|ts|type|status|(?:trace|thread|event|task|ticket|conversation|parent|message|author|room|inner|"
    r"span|exchange|account|inbox|request)_?id|next_cursor|next_batch|prev_batch|starting_after|start|end|"
    r"nextToken|created_at|createdAt|\w+_at|timestamp|role|participant_sid|conversation_sid",
    re.IGNORECASE,
)
# These are personal: the customer's id in the map, or what the platform itself calls by an address.
PERSONAL_IDS = {
    "activities.0.from.id", "data.0.attributes.user.id", "traces.0.assessments.0.source.source_id",
}  # fmt: skip


class ShippedDetection:
    """The real detector, on the spot."""

    version = "shipped"

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        return list(self._detector.detect(messages))


@pytest.fixture(scope="module")
def detector() -> Detector:
    return build_detector(DetectorSettings())


def rewriter(detector: Detector) -> Rewriter:
    placeholders, operators = MASTER.pseudonymizer(Purpose.PLACEHOLDER), MASTER.pseudonymizer(Purpose.OPERATOR)
    redactor = Redactor(ShippedDetection(detector), MemoryPlaceholders(), placeholders, operators)
    return Rewriter(redactor, MASTER.pseudonymizer(Purpose.AUDIT_PSEUDONYM))


def sample(name: str) -> tuple[PayloadFormat, str]:
    packets: Path = SAMPLES / f"{name}.txt"
    if packets.exists():  # of answers that stream, the pieces have a test of their own
        lines = [line for line in packets.read_text(encoding="utf-8").splitlines() if "stream_" not in line]
        return SocketioPolling(), SEPARATOR.join(lines)
    return JsonBody(), (SAMPLES / f"{name}.json").read_text(encoding="utf-8")


def ways(payload_format: PayloadFormat, text: str) -> list[tuple[str, str]]:
    """The ids, pages, types and times of a payload."""
    found = [(".".join(map(str, leaf.path)), leaf.text) for leaf in payload_format.parse(text).leaves if leaf.path]
    return [(path, value) for path, value in found if WAYS.fullmatch(path.rpartition(".")[2])]


@pytest.mark.parametrize("name", EXPECTED)
async def test_P42_P60_a_sample_of_each_platform_names_nobody_and_keeps_its_ids(name: str, detector: Detector) -> None:
    preset, _ = EXPECTED[name]
    payload_format, text = sample(name)
    fields, one = load_preset(preset), rewriter(detector)
    assert TRACE.search(text)
    shown = (await one.rewrite(text, payload_format, fields, Policy(), "here")).body.decode()
    assert TRACE.findall(shown) == []
    kept = {path for path, value in ways(payload_format, text) if (path, value) in ways(payload_format, shown)}
    lost = {path for path, _ in ways(payload_format, text)} - kept - PERSONAL_IDS
    assert lost == set()
    assert kept or name == "gradio-join"
    again = (await one.rewrite(shown, payload_format, fields, Policy(), "here")).body.decode()
    assert again == shown, "redacted twice is redacted once"


@pytest.mark.parametrize("name", ["phone", "mobile", "contactPhone", "tel"])
@pytest.mark.parametrize("number", [491701234567, 1712345678, 4155550134])
async def test_P60_a_phone_number_that_is_a_JSON_number(name: str, number: int, detector: Detector) -> None:
    rest = {"created": 1795485561, "id": 1795485561123}
    text = json.dumps({name: number, **rest})
    shown = (await rewriter(detector).rewrite(text, JsonBody(), FieldMap(), Policy(), "here")).body
    assert json.loads(shown) == {name: "[PHONE_1]", **rest}


def shown_by_gradio(events: list[Any]) -> list[str]:
    """The texts of all messages as gradio's client puts them together, after the last event that was no end."""
    chat: Any = None
    for event in events:
        if event["msg"] == "process_generating":
            data = event["output"]["data"][1]
            if chat is None:
                chat = data
                continue
            for operation, place, text in data:
                assert operation == "append"
                index, content, part, name = place
                chat[index][content][part][name] += text
    return [message["content"][0]["text"] for message in chat]


async def test_P34_X4_gradios_events_grow_from_a_list_of_messages(detector: Detector) -> None:
    data = (SAMPLES / "gradio-queue-stream.txt").read_bytes()
    rules = StreamRules(SseStream(), load_preset("gradio-queue"), Policy(), "live /")
    stream, framing = EventStream(rules, rewriter(detector), lambda _: None), SseStream().framing(100_000)
    frames = [*framing.feed(data), *framing.finish()]
    out = b"".join([some for frame in frames for some in await stream.push(frame)] + await stream.finish()).decode()
    assert TRACE.findall(out) == []
    events = [json.loads(line[6:]) for line in out.splitlines() if line]
    whole = [message["content"][0]["text"] for message in events[-2]["output"]["data"][1]]
    assert whole == ["hi, my phone is [PHONE_1]", "Hello [PERSON_1], your mail is [EMAIL_1]."]
    assert shown_by_gradio(events) == whole
    assert [event["msg"] for event in events] == re.findall(r'"msg":"(\w+)"', data.decode())


OURS = own_urls(UrlPolicy.REWRITE, "sidecar.example:8443", ("127.0.0.1:8080",))
LINKS = {
    "http://127.0.0.1:8080/v1/chats?offset=1&limit=10": "https://sidecar.example:8443/v1/chats?offset=1&limit=10",
    "https://sidecar.example:8443/v1/chats/7/messages": "https://sidecar.example:8443/v1/chats/7/messages",
    "http://127.0.0.1:8080/v1/chats?cursor=abc123de": "https://sidecar.example:8443/v1/chats?cursor=abc123de",
    "http://127.0.0.1:8080/u/ottilie%40brandvold.example?name=Ottilie+Brandvold": (
        "https://sidecar.example:8443/u/%5BEMAIL_1%5D?name=%5BPERSON_1%5D"
    ),
    "https://elsewhere.example/u/ottilie": "[URL_1]",
}


@pytest.mark.parametrize("url", LINKS)
async def test_X2_P42_links_of_the_upstream_lead_on_through_the_sidecar(url: str, detector: Detector) -> None:
    body = json.dumps({"next": url, "data": json.dumps({"url": url}), "messages": []})
    one, passage = rewriter(detector), Passage(Direction.RESPONSE, urls=OURS)
    for text in (body, (await one.rewrite(body, JsonBody(), FieldMap(), Policy(), "here", passage)).body.decode()):
        shown = json.loads((await one.rewrite(text, JsonBody(), FieldMap(), Policy(), "here", passage)).body)
        assert shown["next"] == LINKS[url]
        assert json.loads(shown["data"]) == {"url": LINKS[url]}


# By preset, the fields in which a platform is known to hold texts, people, ids and pages.
HELD = {
    "label-studio": "data text id tasks result",
    "phoenix": "attributes llm.input_messages.0.message.content user.id metadata next_cursor",
    "openai-chat": "content id",
    "chainlit-socketio": "output thread_id",
    "chainlit": "output threadId",
    "doccano": "text meta next",
    "mlflow": "request_preview trace_metadata tags rationale trace_id",
    "matrix": "body formatted_body displayname name topic event_id next_batch",
    "gradio": "data content",
    "chatwoot": "content name email phone_number created_at_ip source_id id",
    "intercom": "body conversation_parts author contacts starting_after",
    "rasa-tracker": "text slots sender_id metadata",
    "twilio-conversations": "body author attributes messaging_binding url links",
    "slack": "text blocks profile ts",
    "bot-framework": "text name channelData serviceUrl",
    "botpress": "payload text tags nextToken",
    "lex": "content slots sessionId",
    "zendesk": "html_body body requester_id users via custom_fields",
    "freshdesk": "description description_text body_text requester custom_fields",
    "gorgias": "body_html body_text customer via",
    "front": "body text recipients custom_fields",
    "dialogflow-cx": "interactions",
}


def test_every_row_of_platforms_has_samples_of_all_that_it_is_known_to_hold() -> None:
    names: dict[str, set[str]] = {}
    for name, (preset, _) in EXPECTED.items():
        payload_format, text = sample(name)
        parts = {str(part) for leaf in payload_format.parse(text).leaves for part in leaf.path}
        names.setdefault(preset, set()).update(parts)
    assert {preset: set(held.split()) - names.get(preset, set()) for preset, held in HELD.items()} == {
        preset: set() for preset in HELD
    }
    assert HELD.keys() == names.keys() - {"generic-chat"}


REGION = {
    "id": "pQ3xTz81kL", "type": "hypertextlabels", "from_name": "l", "to_name": "text", "origin": "manual",
    "value": {"hypertextlabels": ["Topic"], "paragraphlabels": ["Topic"], "labels": ["Topic"], "choices": ["Topic"]},
}  # fmt: skip
RELATION = {"type": "relation", "from_id": REGION["id"], "to_id": "Kd0-w_2mQa", "direction": "right"}


@pytest.mark.parametrize("held", ["annotations", "predictions", "drafts", None])
async def test_label_studio_goes_by_the_types_of_regions_wherever_they_are(
    held: str | None, detector: Detector
) -> None:
    regions = [REGION, {**REGION, "id": "Kd0-w_2mQa", "type": "textarea"}, RELATION]
    answer = [{"task": 4, "result": regions}] if held is None else {"id": 4, held: [{"result": regions}]}
    text = json.dumps(answer)
    shown = (await rewriter(detector).rewrite(text, JsonBody(), load_preset("label-studio"), Policy(), "here")).body
    assert json.loads(shown) == answer


NUMBERED = ("whatsapp:+47 912 34 567", "+4791234567", "ottilie@brandvold.example")


@pytest.mark.parametrize("id_", [*NUMBERED, "3e2b1c44-5d6a-4b7e-8f90-123456789abc", "a:1pU_3aBc9KxE2v8LrQ0sT5yWm7Zn4"])
@pytest.mark.parametrize(
    ("preset", "payload"),
    [
        ("bot-framework", {"activities": [{"conversation": {"id": "ID"}, "text": "hi"}]}),
        ("lex", {"sessionId": "ID", "messages": [{"content": "hi"}]}),
        ("dialogflow-cx", {"name": "projects/p-1/locations/eu/agents/x/conversations/ID"}),
        ("mlflow", {"traces": [{"trace_metadata": {"mlflow.trace.session": "ID"}}]}),
        ("phoenix", {"data": [{"attributes": {"session.id": "ID"}}]}),
    ],
)
async def test_P60_ids_of_sessions_may_name_somebody(preset: str, payload: Any, id_: str, detector: Detector) -> None:
    text = json.dumps(payload).replace("ID", id_)
    shown = (await rewriter(detector).rewrite(text, JsonBody(), load_preset(preset), Policy(), "here")).body.decode()
    assert TRACE.findall(shown) == []
    assert (shown == text) is (id_ not in NUMBERED)


PIECES = ("Bran", "dv", "old")
ANSWER = {
    "choices": [{
        "message": {"role": "assistant", "content": f"Hello {''.join(PIECES)}"},
        "logprobs": {"content": [{"token": one, "bytes": list(one.encode()), "logprob": -0.1} for one in PIECES]},
        "token_ids": [101, 117],
    }],
    "prompt_logprobs": [None, {"7": {"logprob": -1.5, "decoded_token": PIECES[0]}}],
    "prompt_token_ids": [101, 117],
}  # fmt: skip


@pytest.mark.parametrize(
    ("preset", "payload"),
    [
        ("openai-chat", ANSWER),
        ("mlflow", {"traces": [{"response_preview": json.dumps(ANSWER)}]}),
        ("mlflow", {"traces": [{"trace_metadata": {"mlflow.traceOutputs": json.dumps(ANSWER)}}]}),
        ("phoenix", {"data": [{"attributes": {"output.value": json.dumps(ANSWER)}}]}),
    ],
)
async def test_P60_X5_what_repeats_a_text_token_by_token_is_dropped(
    preset: str, payload: Any, detector: Detector
) -> None:
    text = json.dumps(payload)
    shown = (await rewriter(detector).rewrite(text, JsonBody(), load_preset(preset), Policy(), "here")).body.decode()
    assert not [trace for trace in (*PIECES, "[66,", "66, 114", "101, 117") if trace in shown]


def generating(data: Any) -> bytes:
    event = {"msg": "process_generating", "event_id": "e", "output": {"data": [data]}}
    return f"data: {json.dumps(event)}\n\n".encode()


@pytest.mark.parametrize("place", [[0, "content"], [0, "content", 0, "text"]])
async def test_X4_gradios_messages_that_are_written_anew_end_the_stream(place: list[Any], detector: Detector) -> None:
    """Each time they end where nobody can tell what they end in: ``your mail is ottilie.bran_``."""
    content: Any = "Your mail is ott_" if len(place) == 2 else [{"type": "text", "text": "Your mail is ott_"}]
    rules = StreamRules(SseStream(), load_preset("gradio-queue"), Policy(), "live /")
    stream, framing = EventStream(rules, rewriter(detector), lambda _: None), SseStream().framing(100_000)
    (first,) = framing.feed(generating([{"role": "assistant", "content": content}]))
    assert await stream.push(first) == []
    (anew,) = framing.feed(generating([["replace", place, "Your mail is ottilie.brandvo_"]]))
    with pytest.raises(PayloadRefused):
        await stream.push(anew)


@pytest.mark.parametrize("event", ["resume_thread", "ask"])
async def test_chainlit_goes_by_the_types_of_messages_wherever_they_are(event: str, detector: Detector) -> None:
    steps = [
        {"id": f"pQ3xTz81kL-{number}", "threadId": "w81Kd0aa-3x", "type": type_,
         "createdAt": "2026-03-02T09:15:00.000Z", "start": "2026-03-02T09:15:00Z", "end": None, "output": text}
        for number, (type_, text) in enumerate((("user_message", "brandvold"), ("assistant_message", "Your order?")))
    ]  # fmt: skip
    told = {"id": "w81Kd0aa-3x", "steps": steps} if event == "resume_thread" else {"msg": steps[1], "spec": {}}
    text = f"42{json.dumps([event, told])}"
    fields = load_preset("chainlit-socketio")
    shown = (await rewriter(detector).rewrite(text, SocketioPolling(), fields, Policy(), "here")).body.decode()
    assert shown == text.replace('"brandvold"', '"[PERSON_1]"')


MAIL_PAGE = "<p>Dear you, otti<b>lie.bra</b>ndvold@exa<i>mple</i>.org, O&#39;Dea</p>"
PAGES = [
    ("freshdesk", {"id": 5, "body": MAIL_PAGE, "incoming": False}),
    ("zendesk", {"audit": {"events": [{"type": "Comment", "html_body": MAIL_PAGE}]}}),
    ("chatwoot", {"payload": [{"content_attributes": {"email": {"html_content": {"reply": MAIL_PAGE}}}}]}),
    ("bot-framework", {"activities": [{"attachments": [{"contentType": "text/html", "content": MAIL_PAGE}]}]}),
    ("front", {"body": MAIL_PAGE, "quote_body": MAIL_PAGE}),
]


@pytest.mark.parametrize(("preset", "payload"), PAGES)
async def test_P60_what_platforms_say_in_HTML_is_read_as_a_page(preset: str, payload: Any, detector: Detector) -> None:
    text = json.dumps(payload)
    shown = (await rewriter(detector).rewrite(text, JsonBody(), load_preset(preset), Policy(), "here")).body.decode()
    assert not re.search("otti|lie[.]bra|ndvold|exa", shown)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_text.delta", "item_id": "m", "delta": "ott"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ott"}},
    ],
)
async def test_X4_pieces_of_another_protocol_than_chat_completions_end_the_stream(
    event: Any, detector: Detector
) -> None:
    rules = StreamRules(SseStream(), load_preset("openai-chat"), Policy(), "live /")
    stream, framing = EventStream(rules, rewriter(detector), lambda _: None), SseStream().framing(100_000)
    (frame,) = framing.feed(f"data: {json.dumps(event)}\n\n".encode())
    with pytest.raises(PayloadRefused):
        await stream.push(frame)
