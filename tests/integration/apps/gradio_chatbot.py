"""A chatbot made with gradio, as its makers would write one: each answer is a text that grows."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import gradio

PIECES = [
    "Thanks ",
    "Mar",
    "ta Kowal",
    "czyk, your ",
    "mail is marta",
    ".kowal",
    "czyk@exam",
    "ple.net, and you said: ",
]


def answer(message: str, _history: list[Any]) -> Iterator[str]:
    text = ""
    for piece in (*PIECES, message):
        text += piece
        time.sleep(0.05)
        yield text


gradio.ChatInterface(answer).queue().launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True)
