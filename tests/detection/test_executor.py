"""Real processes, really hung, killed and orphaned (D14)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidecar.detection.executor import DetectionExecutor, ExecutorLimits
from sidecar.detection.recognizer import Message
from sidecar.detection.worker import DetectorRecipe
from sidecar.errors import ConfigError, DetectionFailed, DetectionFault
from sidecar.metrics import Metrics
from tests.detection import stand_in_detectors as stand_ins

pytestmark = pytest.mark.timeout(60)
SECRET = "canary-5519"


@asynccontextmanager
async def running(
    build: Callable[..., object] = stand_ins.build, *arguments: object, **limits: float
) -> AsyncIterator[DetectionExecutor]:
    settings = ExecutorLimits(**{"budget_s": 20.0, "max_wait_s": 120.0, **limits})  # type: ignore[arg-type]
    executor = DetectionExecutor(DetectorRecipe(build, arguments), Metrics(), settings)  # type: ignore[arg-type]
    await executor.start()
    try:
        yield executor
    finally:
        await executor.stop()


def texts(*found: str) -> list[Message]:
    return [Message(text) for text in found]


def restarts(executor: DetectionExecutor) -> float:
    return float(executor._restarts._value.get())


async def fault_of(executor: DetectionExecutor, text: str) -> DetectionFailed:
    with pytest.raises(DetectionFailed) as caught:
        await executor.detect(texts(text))
    return caught.value


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def core_limits(pid: int) -> list[str]:
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line for line in limits if line.startswith("Max core file size")).split()[4:6]


async def becomes(executor: DetectionExecutor, *, healthy: bool) -> bool:
    for _ in range(200):
        if executor.healthy is healthy:
            return True
        await asyncio.sleep(0.05)
    return False


async def gone(pid: int) -> bool:
    for _ in range(200):
        if not alive(pid):
            return True
        await asyncio.sleep(0.05)
    return False


async def test_answers_in_order_over_several_workers() -> None:
    """D12, D13."""
    async with running(workers=2) as executor:
        assert executor.version == "1"
        many = [Message("x" * n + " john") for n in range(200)]
        found = await executor.detect(many)
        assert [spans[0].start for spans in found] == [n + 1 for n in range(200)]
        assert await executor.detect([]) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"raise:{SECRET}", DetectionFault.RAISED),
        ("refuse:", DetectionFault.INVALID),
        ("exit:", DetectionFault.CRASHED),
        ("die:", DetectionFault.CRASHED),
        (f"interrupt:{SECRET}", DetectionFault.CRASHED),
    ],
)
async def test_a_failing_detector_fails_the_call_and_nothing_else(
    text: str, fault: DetectionFault, capfd: pytest.CaptureFixture[str]
) -> None:
    """D14; and no word of a message in the error, or in what the worker prints while it dies."""
    async with running() as executor:
        failure = await fault_of(executor, text)
        assert failure.fault is fault
        assert SECRET not in str(failure) + repr(failure) + repr(failure.__cause__) + repr(failure.__context__)
        assert (await executor.detect(texts("hi john")))[0][0].label == "PERSON"
        assert restarts(executor) == (1 if fault is DetectionFault.CRASHED else 0)
    assert SECRET not in "".join(capfd.readouterr())


async def test_a_hung_detection_is_killed_and_replaced() -> None:
    """D14: even one that holds the interpreter's lock."""
    async with running(budget_s=0.5) as executor:
        assert (await fault_of(executor, "hang:")).fault is DetectionFault.TIMED_OUT
        assert (await executor.detect(texts("john")))[0]
        assert restarts(executor) == 1


async def test_one_hung_worker_does_not_stop_the_others() -> None:
    async with running(workers=2, budget_s=3.0) as executor:
        hung = asyncio.create_task(fault_of(executor, "hang:"))
        await asyncio.sleep(0.1)
        for _ in range(5):
            assert (await executor.detect(texts("john")))[0]
        assert not hung.done()
        assert (await hung).fault is DetectionFault.TIMED_OUT


async def test_one_failed_batch_fails_the_whole_payload() -> None:
    """D14: half an answer would be a leak."""
    async with running(workers=2) as executor:
        many = [*texts(*["john"] * 100), Message("raise:x")]
        with pytest.raises(DetectionFailed):
            await executor.detect(many)
        await asyncio.sleep(0.05)
        assert len(executor._backlog) == 0


async def test_the_event_loop_runs_on_while_a_detection_hangs() -> None:
    async with running(budget_s=0.5) as executor:
        hung = asyncio.create_task(fault_of(executor, "hang:"))
        turns = 0
        while not hung.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert turns > 10


async def test_too_much_waiting_work_is_refused() -> None:
    async with running(max_pending=2) as executor:
        waiting = [asyncio.create_task(executor.detect(texts("sleep:0.5"))) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert (await fault_of(executor, "john")).fault is DetectionFault.OVERLOADED
        await asyncio.gather(*waiting)
        assert (await executor.detect(texts("john")))[0]


async def test_one_payload_larger_than_the_queue_is_served_when_nothing_waits() -> None:
    async with running(max_pending=2) as executor:
        assert len(await executor.detect(texts(*["john"] * 500))) == 500


async def test_a_cancelled_caller_leaves_the_worker_in_step() -> None:
    """Its late answer must not be taken for the next caller's."""
    async with running() as executor:
        left = asyncio.create_task(executor.detect(texts("sleep:0.5", "x john")))
        await asyncio.sleep(0.1)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        assert [len(spans) for spans in await executor.detect(texts("john john john"))] == [3]
        assert restarts(executor) == 0
        await asyncio.sleep(0.05)
        assert len(executor._backlog) == 0


async def test_a_refused_configuration_reaches_the_operator() -> None:
    with pytest.raises(ConfigError, match=r"detection\.model: the folder is missing\. Train one"):
        async with running(stand_ins.build_refused):
            pass


async def test_a_worker_that_dies_while_loading_is_reported() -> None:
    with pytest.raises(ConfigError, match="ended while loading"):
        async with running(stand_ins.build_raising):
            pass


async def test_a_worker_that_loads_for_ever_is_reported_and_ended() -> None:
    with pytest.raises(ConfigError, match=r"did not load within 0\.5 s"):
        async with running(stand_ins.build_slow, start_s=0.5):
            pass


async def test_a_missing_answer_fails() -> None:
    async with running(stand_ins.build_few) as executor:
        assert (await fault_of(executor, "john")).fault is DetectionFault.INVALID


async def test_a_replacement_of_another_version_is_not_taken(tmp_path: Path) -> None:
    """D13: two models at once would answer the same text differently. And a model that comes back is."""
    version = tmp_path / "version"
    version.write_text("1")
    async with running(stand_ins.build_from, str(version)) as executor:
        version.write_text("2")
        await fault_of(executor, "exit:")
        assert await becomes(executor, healthy=False)
        assert (await fault_of(executor, "john")).fault is DetectionFault.CRASHED
        version.write_text("1")
        assert await becomes(executor, healthy=True)
        assert (await executor.detect(texts("john")))[0]


async def test_a_reload_takes_over_without_a_gap(tmp_path: Path) -> None:
    """D5, D16: not one detection fails or waits for the loading while the version changes."""
    version, pid = tmp_path / "version", tmp_path / "pid"
    version.write_text("1")
    async with running(stand_ins.build_from, str(version), workers=2) as executor:
        await executor.detect(texts(f"pid:{pid}"))
        version.write_text("2")
        slow = asyncio.create_task(executor.detect(texts("sleep:0.5", "john")))
        reloading = asyncio.create_task(executor.reload())
        while not reloading.done():
            assert (await executor.detect(texts("john")))[0]
            await asyncio.sleep(0)
        await reloading
        assert executor.version == "2"
        assert [len(spans) for spans in await slow] == [0, 1]
        assert (await executor.detect(texts("john")))[0]
        assert restarts(executor) == 0
        assert await gone(int(pid.read_text()))


async def test_a_reload_that_fails_leaves_the_old_in_force(tmp_path: Path) -> None:
    version = tmp_path / "version"
    version.write_text("1")
    async with running(stand_ins.build_from, str(version)) as executor:
        version.write_text("broken")
        with pytest.raises(ConfigError, match="is damaged"):
            await executor.reload()
        assert executor.version == "1"
        assert (await executor.detect(texts("john")))[0]


async def test_a_reload_heals_a_pool_that_can_not_be_replaced(tmp_path: Path) -> None:
    version = tmp_path / "version"
    version.write_text("1")
    async with running(stand_ins.build_from, str(version)) as executor:
        version.write_text("2")
        await fault_of(executor, "exit:")
        assert await becomes(executor, healthy=False)
        await executor.reload()
        assert executor.healthy
        assert (await executor.detect(texts("john")))[0]
        assert (await fault_of(executor, "exit:")).fault is DetectionFault.CRASHED
        assert (await executor.detect(texts("john")))[0]


async def test_a_worker_that_has_read_much_is_renewed_without_a_gap(tmp_path: Path) -> None:
    """D15."""
    first, later = tmp_path / "first", tmp_path / "later"
    async with running(renew_characters=1_000) as executor:
        await executor.detect(texts(f"pid:{first}"))
        for _ in range(10):
            assert (await executor.detect(texts("x" * 500 + " john")))[0]
        assert await gone(int(first.read_text()))
        await executor.detect(texts(f"pid:{later}"))
        assert later.read_text() != first.read_text()
        assert restarts(executor) == 0


async def test_a_worker_that_can_not_be_renewed_goes_on(tmp_path: Path) -> None:
    version = tmp_path / "version"
    version.write_text("1")
    async with running(stand_ins.build_from, str(version), renew_characters=1_000) as executor:
        version.write_text("broken")
        for _ in range(10):
            assert (await executor.detect(texts("x" * 500 + " john")))[0]
        assert executor._renewal is not None
        await executor._renewal
        assert (await executor.detect(texts("john")))[0]
        assert executor.version == "1"


async def test_stop_during_a_renewal_leaves_no_process(tmp_path: Path) -> None:
    async with running(renew_characters=1) as executor:
        await executor.detect(texts(f"pid:{tmp_path / 'pid'}"))
        await asyncio.sleep(0.01)
        await executor.stop()
        assert await gone(int((tmp_path / "pid").read_text()))
        assert not executor._starting


async def test_stop_fails_what_is_under_way_and_leaves_no_process(tmp_path: Path) -> None:
    async with running() as executor:
        await executor.detect(texts(f"pid:{tmp_path / 'pid'}"))
        busy = asyncio.create_task(fault_of(executor, "hang:"))
        queued = asyncio.create_task(fault_of(executor, "john"))
        await asyncio.sleep(0.1)
        await executor.stop()
        assert (await busy).fault is DetectionFault.CRASHED
        assert (await queued).fault is DetectionFault.CRASHED
    assert await gone(int((tmp_path / "pid").read_text()))
    assert (await fault_of(executor, "john")).fault is DetectionFault.CRASHED


async def test_workers_outlive_signals_to_the_group_and_write_no_core(tmp_path: Path) -> None:
    """Ctrl-C reaches the whole group; a detection under way must end by our hand, not by the terminal's."""
    async with running() as executor:
        await executor.detect(texts(f"pid:{tmp_path / 'pid'}"))
        pid = int((tmp_path / "pid").read_text())
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
        assert (await executor.detect(texts("john")))[0]
        assert restarts(executor) == 0
        assert core_limits(pid) == ["0", "0"]


PARENT = """
import asyncio, sys
from sidecar.detection.executor import DetectionExecutor, ExecutorLimits
from sidecar.detection.recognizer import Message
from sidecar.detection.worker import DetectorRecipe
from sidecar.metrics import Metrics
from tests.detection import stand_in_detectors as stand_ins

async def main():
    limits = ExecutorLimits(budget_s=1.0, max_wait_s=120.0)
    executor = DetectionExecutor(DetectorRecipe(stand_ins.build), Metrics(), limits)
    await executor.start()
    await executor.detect([Message("pid:" + sys.argv[1])])
    print("started", flush=True)
    {act}

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("act", "killed"),
    [
        ("await asyncio.sleep(60)", True),  # idle worker: its pipe ends
        ("await executor.detect([Message('hang:')])", True),  # hung worker: the kernel's timer
        ("raise SystemExit(1)", False),  # never stopped: no hang at exit either
    ],
)
async def test_no_orphans(act: str, killed: bool, tmp_path: Path) -> None:
    """A parent that is killed with -9, or that ends without ``stop``, leaves nobody behind."""
    script = tmp_path / "parent.py"
    script.write_text(textwrap.dedent(PARENT).replace("{act}", act))
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, str(script), str(tmp_path / "pid")]
    parent = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
    assert parent.stdout is not None
    assert await parent.stdout.readline() == b"started\n"
    pid = int((tmp_path / "pid").read_text())
    if killed:
        await asyncio.sleep(0.1)
        parent.send_signal(signal.SIGKILL)
    await asyncio.wait_for(parent.wait(), 30)
    assert await gone(pid)
