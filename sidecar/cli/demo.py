"""``sidecar demo``: a sample chatbot, the sidecar in front of it, and one conversation seen from both sides."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sidecar.app.running import Running, serve
from sidecar.demo.setup import prepare
from sidecar.demo.show import compare, usage

_START_SECONDS = 30.0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("demo", help="show the sidecar at work in front of a sample chatbot")
    parser.add_argument(
        "--folder", type=Path, help="keep certificates, configuration and state here (default: temporary)"
    )
    parser.add_argument("--once", action="store_true", help="stop after the first conversation instead of serving")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    if args.folder is not None:
        args.folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(_demo(args.folder.resolve(), once=args.once))
        return 0
    with tempfile.TemporaryDirectory(prefix="sidecar-demo-") as folder:
        asyncio.run(_demo(Path(folder), once=args.once))
    return 0


async def _demo(folder: Path, *, once: bool) -> None:
    async with _chatbot(folder) as chatbot_url:
        setup = prepare(folder, chatbot_url)

        async def show(now: Running) -> None:
            print(await compare(setup, chatbot_url, now.data_port))
            print()
            print(usage(setup, now.data_port, now.admin_port), flush=True)
            if once:
                signal.raise_signal(signal.SIGTERM)

        await serve(setup.config, show)


@asynccontextmanager
async def _chatbot(folder: Path) -> AsyncIterator[str]:
    """Run the sample chatbot as a process of its own; yield its URL.

    It is out of reach of the terminal's Ctrl-C, so that the sidecar can drain first, and ends with us even if we are
    killed: the pipe to it closes.
    """
    state = folder / "chats.json"
    command = (sys.executable, "-m", "sidecar.demo.chatbot", "--port", "0", "--state", str(state), "--until-eof")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, start_new_session=True)
    try:
        async with asyncio.timeout(_START_SECONDS):
            line = await process.stdout.readline() if process.stdout else b""
        yield f"http://127.0.0.1:{json.loads(line)['port']}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
