"""What the samples of platforms other than the first seven are expected to be read as; see ``test_presets``."""

from __future__ import annotations

MORE: dict[str, tuple[str, dict[str, object]]] = {
    "mlflow": (
        "mlflow",
        {
            "id": "c-3101",
            "messages": [("customer", "hi, ottilie here"), ("agent", "Hello Ottilie!")],
            "known": {"ottilie@brandvold.example": "USERNAME", "trainer@example.org": "USERNAME"},
            "else": {"HUMAN", "MLFLOW_EXPERIMENT", "Ottilie got no answer", '{"choices": [{"message": {"role": "assis'},
        },
    ),
    "matrix": (
        "matrix",
        {
            "id": "!shop:brandvold.example",
            "messages": [
                ("customer", "hi, ottilie here"),
                ("customer", "hi, ottilie here"),
                ("customer", "Which order is it?"),
            ],
            "known": {
                "@shopbot:brandvold.example": "USERNAME",
                "@ottilie:brandvold.example": "USERNAME",
                "Ottilie Brandvold": "PERSON",
            },
            "else": {"@ottilie:brandvold.example", "join", "org.matrix.custom.html"},
        },
    ),
    "matrix-sync": (
        "matrix",
        {
            "id": None,
            "messages": [("customer", "hi, ottilie here")],
            "known": {
                "@shopbot:brandvold.example": "USERNAME",
                "@ottilie:brandvold.example": "USERNAME",
                "Ottilie Brandvold": "PERSON",
            },
            "else": {
                "@ottilie:brandvold.example",
                "Chat of Ottilie Brandvold",
                "join",
                "order of ottilie@brandvold.example",
            },
        },
    ),
    "gradio": (
        "gradio",
        {
            "id": None,
            "messages": [("customer", "hi, ottilie here"), ("agent", "Hello Ottilie!")],
            "known": {},
            "else": set(),
        },
    ),
    "gradio-join": (
        "gradio",
        {"id": "k3x9", "messages": [("customer", "hi, ottilie here")], "known": {}, "else": set()},
    ),
    "intercom": (
        "intercom",
        {
            "id": "3101",
            "messages": [("customer", "hi, ottilie here"), ("agent", "Hello Ottilie!")],
            "known": {
                "Ottilie Brandvold": "PERSON",
                "ottilie@brandvold.example": "EMAIL",
                "brandvold-77": "USERNAME",
                "Sam": "PERSON",
                "sam@shop.example": "EMAIL",
            },
            "else": {"California"},
        },
    ),
    "twilio-conversations": (
        "twilio-conversations",
        {
            "id": "CH1",
            "messages": [("customer", "hi, ottilie here"), ("agent", "Hello Ottilie!")],
            "known": {"+4791234567": "USERNAME", "Ottilie Brandvold": "PERSON"},
            "else": {
                "https://conversations.twilio.example/v1/Conversations/CH1/Messages/IM1",
                "https://conversations.twilio.example/v1/Conversations/CH1/Messages/IM1/Receipts",
                "https://conversations.twilio.example/v1/Conversations/CH1/Messages/IM2",
            },
        },
    ),
    "twilio-participants": (
        "twilio-conversations",
        {
            "id": "CH1",
            "messages": [],
            "known": {"ottilie@brandvold.example": "EMAIL", "+4791234567": "PHONE"},
            "else": {"+15005550006", "https://conversations.twilio.example/v1/Conversations/CH1/Participants/MB1"},
        },
    ),
    "slack": (
        "slack",
        {
            "id": None,
            "messages": [
                ("customer", "hi, ottilie here"),
                ("customer", "hi, ottilie here"),
                ("agent", "Hello Ottilie!"),
            ],
            "known": {"Ottilie Brandvold": "PERSON", "brandvold77": "USERNAME"},
            "else": {"T1"},
        },
    ),
    "slack-members": (
        "slack",
        {
            "id": "U061",
            "messages": [],
            "known": {
                "brandvold77": "USERNAME",
                "Ottilie Brandvold": "PERSON",
                "+4791234567": "PHONE",
                "ottilie@brandvold.example": "EMAIL",
                "ottilie": "PERSON",
            },
            "else": {"Europe/Oslo", "back on Monday, ottilie@brandvold.example", "customer"},
        },
    ),
    "bot-framework": (
        "bot-framework",
        {
            "id": "c-3101",
            "messages": [("customer", "hi, ottilie here"), ("agent", "Hello Ottilie!")],
            "known": {"Ottilie Brandvold": "PERSON"},
            "else": {"dl_77", "https://directline.example/", "message", "prefers mail", "shop"},
        },
    ),
    "botpress": (
        "botpress",
        {
            "id": "conv_1",
            "messages": [("customer", "hi, ottilie here"), ("agent", "Hello Ottilie!"), ("agent", "Track an order")],
            "known": {"ottilie@brandvold.example": "EMAIL"},
            "else": {"track"},
        },
    ),
    "lex": (
        "lex",
        {
            "id": "c-3101",
            "messages": [("customer", "hi, ottilie here"), ("agent", "Hello Ottilie!")],
            "known": {},
            "else": {"Ottilie Brandvold", "Scalar", "ottilie@brandvold.example"},
        },
    ),
    "zendesk": (
        "zendesk",
        {
            "id": "35",
            "messages": [
                ("customer", "Order of Ottilie"),
                ("customer", "Order of Ottilie"),
                ("customer", "hi, ottilie here"),
            ],
            "known": {"ottilie@brandvold.example": "EMAIL", "Ottilie Brandvold": "PERSON"},
            "else": {"NB-55812", "help@shop.example"},
        },
    ),
    "zendesk-comments": (
        "zendesk",
        {
            "id": None,
            "messages": [(None, "hi, ottilie here"), (None, "hi, ottilie here"), (None, "hi, ottilie here")],
            "known": {"Ottilie Brandvold": "PERSON", "ottilie@brandvold.example": "EMAIL", "+4791234567": "PHONE"},
            "else": set(),
        },
    ),
    "freshdesk": (
        "freshdesk",
        {
            "id": "35",
            "messages": [
                ("customer", "Order of Ottilie"),
                ("customer", "hi, ottilie here"),
                ("customer", "hi, ottilie here"),
                ("agent", "Hello Ottilie!"),
                ("agent", "Hello Ottilie!"),
            ],
            "known": {"Ottilie Brandvold": "PERSON", "ottilie@brandvold.example": "EMAIL", "+4791234567": "PHONE"},
            "else": {"NB-55812", "help@shop.example"},
        },
    ),
    "gorgias": (
        "gorgias",
        {
            "id": "35",
            "messages": [
                ("customer", "Order"),
                ("customer", "hi, ottilie here"),
                ("customer", "hi, ottilie here"),
                ("customer", "hi, ottilie here"),
                ("agent", "Hello Ottilie!"),
            ],
            "known": {
                "Ottilie Brandvold": "PERSON",
                "Ottilie": "PERSON",
                "Brandvold": "PERSON",
                "ottilie@brandvold.example": "EMAIL",
            },
            "else": {"Order", "help@shop.example"},
        },
    ),
    "front": (
        "front",
        {
            "id": None,
            "messages": [
                ("customer", "hi, ottilie here"),
                ("customer", "hi, ottilie here"),
                ("customer", "hi, ottilie here"),
                ("agent", "Hello Ottilie!"),
                ("agent", "Hello Ottilie!"),
                ("agent", "Hello Ottilie!"),
            ],
            "known": {
                "Ottilie Brandvold": "PERSON",
                "sam": "USERNAME",
                "Sam": "PERSON",
                "Berg": "PERSON",
                "sam@shop.example": "EMAIL",
            },
            "else": {
                "https://shop.frontapp.example/conversations/cnv_1/messages?page_token=x",
                "ottilie@brandvold.example",
            },
        },
    ),
    "front-conversations": (
        "front",
        {
            "id": None,
            "messages": [(None, "order NB-55812"), ("customer", "hi, ottilie here")],
            "known": {
                "Ottilie Brandvold": "PERSON",
                "sam": "USERNAME",
                "Sam": "PERSON",
                "Berg": "PERSON",
                "sam@shop.example": "EMAIL",
            },
            "else": {"Ottilie Brandvold, +47 912 34 567", "assigned", "ottilie@brandvold.example"},
        },
    ),
    "dialogflow-cx": (
        "dialogflow-cx",
        {
            "id": "projects/p/locations/l/agents/a/conversations/c-3101",
            "messages": [
                ("customer", "hi, ottilie here"),
                ("customer", "hi, ottilie here"),
                ("agent", "Hello Ottilie!"),
                ("customer", "hi, ottilie here"),
                ("agent", "Hello Ottilie!"),
            ],
            "known": {},
            "else": {"SESSION", "ottilie@brandvold.example"},
        },
    ),
    "chainlit": (
        "chainlit",
        {
            "id": "t1",
            "messages": [("customer", "hi, ottilie here"), ("agent", "Hello Ottilie!")],
            "known": {"ottilie@brandvold.example": "USERNAME"},
            "else": {"Shop", "ottilie", "prefers mail"},
        },
    ),
    "chainlit-socketio": (
        "chainlit-socketio",
        {
            "id": "th-9",
            "messages": [
                (None, "hi, ottilie here"),
                ("agent", "Hello "),
                ("agent", "Hello Ottilie Brandvold, your mail is ottilie@brandvold.example."),
            ],
            "known": {},
            "else": {"Shop"},
        },
    ),
}
