"""A chatbot made with chainlit, as its makers would write one. It answers token by token, and writes down what came."""

from __future__ import annotations

import os
from pathlib import Path

import chainlit

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
HEARD = Path(os.environ["SHOP_CHATBOT_HEARD"])


async def answer(message: chainlit.Message) -> None:
    HEARD.write_text(message.content, encoding="utf-8")
    reply = chainlit.Message(content="")
    for piece in (*PIECES, message.content):
        await reply.stream_token(piece)
    await reply.send()


chainlit.on_message(answer)
