"""Every preset on a sample payload of its platform: who says what, what is known, and what else is scanned."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.errors import ConfigError
from sidecar.payloads.document import Document, LeafKind
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.markup import open_markup
from sidecar.payloads.presets import load_preset, preset_names
from sidecar.payloads.selection import Conversation, select
from sidecar.payloads.socketio import SEPARATOR, SocketioPolling
from tests.payloads.more_presets import MORE

SAMPLES = Path(__file__).parent / "samples"
TASK: dict[str, object] = {
    "id": "41",
    "messages": [
        ("customer", "hi, ottilie here"),
        ("agent", "Which e-mail?"),
        ("customer", "ottilie@brandvold.example"),
    ],
    "known": {"Ottilie Brandvold": "PERSON", "ottilie@brandvold.example": "EMAIL"},
    "else": {"Chat of Ottilie Brandvold"},
}  # fmt: skip
EXPECTED: dict[str, tuple[str, dict[str, object]]] = {
    **MORE,
    "generic-chat": ("generic-chat", {
        "id": "c-3101",
        "messages": [
            ("customer", "hi, ottilie here. where is NB-55812"),
            ("agent", "Hello Ottilie! Which address should it go to?"),
            ("customer", "Storgata 9, 0155 Oslo"),
        ],
        "known": {
            "Ottilie Brandvold": "PERSON", "ottilie@brandvold.example": "EMAIL", "+47 912 34 567": "PHONE",
            "NB-55812": "ORDER_ID",
        },
        "else": {"web"},
    }),
    "rasa-tracker": ("rasa-tracker", {
        "id": "whatsapp:+4791234567",
        "messages": [
            ("customer", "hi ottilie here"),
            ("agent", "Which address should it go to?"),
            ("customer", "Storgata 9, 0155 Oslo"),
        ],
        "known": {"Ottilie": "PERSON", "ottilie@brandvold.example": "EMAIL", "NB-55812": "ORDER_ID"},
        "else": {"whatsapp:+4791234567", "Storgata 9", "ottilie", "Ottilie B."},
    }),
    "openai-chat-request": ("openai-chat", {
        "id": "c-3101",
        "messages": [
            ("agent", "You are the shop's assistant."),
            ("customer", "my mail is ottilie@brandvold.example"),
            ("agent", "Ottilie Brandvold"),
            ("agent", "4929123456789014"),
        ],
        "known": {},
        "else": {"https://files.example/u/ottilie.png", "ottilie@brandvold.example", "Finds a customer"},
    }),
    "openai-chat-response": ("openai-chat", {
        "id": None,
        "messages": [("agent", "Found you, Ottilie Brandvold <ottilie@brandvold.example>.")],
        "known": {},
        "else": set(),
    }),
    "label-studio-task": ("label-studio", TASK),
    "label-studio-tasks": ("label-studio", TASK),
    "label-studio-export": ("label-studio", {
        **TASK, "else": {"Chat of Ottilie Brandvold", "ottilie", "trainer@example.org, 2"},
    }),
    "label-studio-export-min": ("label-studio", TASK),
    "label-studio-annotation": ("label-studio", {
        "id": "41", "messages": [], "known": {}, "else": {"ottilie", "trainer@example.org, 2"},
    }),
    "label-studio-plain": ("label-studio", {
        "id": "42",
        "messages": [(None, "Ottilie wrote to ottilie@brandvold.example")],
        "known": {},
        "else": set(),
    }),
    "chatwoot": ("chatwoot", {
        "id": "512",
        "messages": [("customer", "hi, ottilie here"), ("agent", "Which order is it?")],
        "known": {"Ottilie Brandvold": "PERSON", "ottilie@brandvold.example": "EMAIL", "+4791234567": "PHONE"},
        "else": {"open", "wamid.77", "Firefox"},
    }),
    "doccano": ("doccano", {
        "id": "8",
        "messages": [(None, "hi, ottilie here")],
        "known": {},
        "else": {"chat-8.txt", "Ottilie Brandvold"},
    }),
    "phoenix": ("phoenix", {
        "id": "c-3101",
        "messages": [
            ("customer", "hi, ottilie here"), ("agent", "Hello Ottilie!"), ("customer", "hi, ottilie here"),
            ("agent", "Hello Ottilie!"),
        ],
        "known": {"Ottilie Brandvold": "PERSON", "ottilie@brandvold.example": "USERNAME"},
        "else": {"gold"},
    }),
}  # fmt: skip


def as_is(value: str) -> str:
    return value


def parsed(sample: str) -> Document:
    """A sample as JSON, or as packets of socket.io, one a line."""
    packets = SAMPLES / f"{sample}.txt"
    if packets.exists():
        return SocketioPolling().parse(SEPARATOR.join(packets.read_text(encoding="utf-8").splitlines()))
    return JsonBody().parse((SAMPLES / f"{sample}.json").read_text(encoding="utf-8"))


def opened(sample: str, preset: str) -> Document:
    return open_markup(parsed(sample), load_preset(preset))[0]


def read(sample: str, preset: str) -> tuple[Conversation, ...]:
    return select(opened(sample, preset).leaves, load_preset(preset), as_is).conversations


@pytest.mark.parametrize("sample", EXPECTED)
def test_a_sample_of_each_platform_is_read_as_it_is_meant(sample: str) -> None:
    preset, expected = EXPECTED[sample]
    one = next(one for one in read(sample, preset) if one.id == expected["id"])
    document = opened(sample, preset)
    assert one.id == expected["id"]
    assert {p.message.text: p.message.label for p in one.pieces if p.message.label} == expected["known"]
    messages = expected["messages"]
    assert isinstance(messages, list)
    texts = [piece for piece in one.pieces if not piece.message.label]
    assert [(piece.message.speaker, piece.message.text) for piece in texts[: len(messages)]] == messages
    rest = {p.message.text for p in texts[len(messages) :] if document.leaves[p.leaves[0]].kind is not LeafKind.KEY}
    assert rest == expected["else"]


def test_every_sample_is_used_and_every_preset_has_one() -> None:
    samples = {path.stem for path in SAMPLES.glob("*.json")} | {"chainlit-socketio"}
    assert samples == {*EXPECTED, "generic-chat-list"}
    assert {preset for preset, _ in EXPECTED.values()} | {"gradio-queue"} == set(preset_names())  # that is of a stream


def test_a_list_holds_many_conversations() -> None:
    found = [(one.id, one.pieces[0].message.speaker) for one in read("generic-chat-list", "generic-chat")]
    assert found == [("c-1", "customer"), ("c-2", "agent")]


def test_a_preset_of_ones_own_needs_no_code(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text(
        'namespace: mine\nmessages:\n  - {each: "$.log[]", text: "[1]", speaker: "[0]", speakers: {b: agent}}\n'
    )
    document = JsonBody().parse('{"log": [["b", "hello"], ["u", "hi"]]}')
    (one,) = select(document.leaves, load_preset(own), as_is).conversations
    assert [(p.message.speaker, p.message.text) for p in one.pieces if len(p.message.context) < 2][:2] == [
        ("agent", "hello"),
        (None, "hi"),
    ]
    assert load_preset(str(own)).namespace == "mine"


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("mesages: []\nkeep: [id]\n", ("mesages: is not a known key. Did you mean messages?", "keep[0]")),
        ("drop: [$.a]\nkeep: []\ndrop: [$.b]\n", ("line 3", "'drop' is given twice")),
        ("drop: [\n", ("line 2",)),
        ("a: !!python/object/apply:os.system [ls]\n", ("line 1",)),
        ("", ("is no mapping",)),
        ("\x00", ("not readable as YAML",)),
    ],
)
def test_a_bad_preset_is_reported_with_place_and_remedy(tmp_path: Path, content: str, parts: tuple[str, ...]) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text(content)
    with pytest.raises(ConfigError) as raised:
        load_preset(own, "routes[0].preset")
    for part in ("routes[0].preset", "mine.yaml", *parts):
        assert part in str(raised.value)


def test_presets_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"routes\[0\].preset: there is no preset 'rasa'.*rasa-tracker"):
        load_preset("rasa", "routes[0].preset")
    with pytest.raises(ConfigError, match="No such file"):
        load_preset(tmp_path / "no.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_preset(tmp_path / "latin.yaml")
