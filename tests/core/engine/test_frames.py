"""Bad frames between real processes: from a worker, and to a worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from core.engine import codec
from core.engine.client import Engine
from core.engine.errors import JobFailed
from core.engine.messages import CancelJob, Refused

ROOT = Path(__file__).resolve().parents[3]
LONG = 30.0

# A worker that takes the first job and then sends what SAY makes of it
FAKE = """
import os, sys, time
sys.path.insert(0, {root!r})
from core.engine import codec
from core.engine.events import Event
from core.engine.messages import Hello, RunJob, ToWorker
from core import analyses; analyses.discover()
import engine_jobs, msgpack
def send(record): os.write(1, codec.encode(record))
def raw(data): os.write(1, data)
send(Hello(1, dict(), dict(cpu="fake")))
while True:
    message = codec.decode(codec.read_frame(lambda n: os.read(0, n)), ToWorker)
    if isinstance(message, RunJob): break
job = message.job
def event(seq, kind, job=job, **payload): send(Event(job, seq, 0.0, kind, 0.0, payload))
event(0, "started")
{say}
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("say", "reason"),
    [
        ("raw(b'\\xff\\xff\\xff\\xff' + b'x' * 100)", "4294967295 bytes; the limit"),
        ("raw(b'\\0\\0\\0\\0')", "0 bytes; the limit"),
        ("raw(b'Loading model... done\\n')", "limit"),
        ("raw(b'\\0\\0\\0\\3abc')", "ill-formed"),
        ("raw(b'\\0\\0\\0\\1\\xc1')", "ill-formed"),
        ("event(2, 'log', message='a gap')", "out of place"),
        ("event(0, 'log', message='again')", "out of place"),
        ("event(1, 'started')", "wrong place"),
        ("event(1, 'queued')", "wrong place"),
        ("event(1, 'log', job='other', message='x')", "out of place"),
        ("event(1, 'failed')", "without its reason"),
        ("event(1, 'done')", "cannot be read"),
        ("event(1, 'done', record='/nowhere/record.npz')", "does not exist"),
        ("os._exit(7)", "exit status 7"),
        ("raw(b'\\0\\0\\1\\0x'); os._exit(8)", "exit status 8"),
        ("send(message)", "ill-formed"),
    ],
)
def test_a_bad_frame_from_a_worker_fails_its_job(jobs: ModuleType, say: str, reason: str) -> None:
    engine = Engine(modules=("engine_jobs",))
    engine._line = [sys.executable, "-c", FAKE.format(root=str(ROOT), say=say)]
    with engine:
        handle = engine.submit(jobs.JobSpec("echo"))
        with pytest.raises(JobFailed, match=reason):
            handle.result(LONG)
        assert [e.kind for e in handle.events()] == ["queued", "started", "failed"]
        assert not engine._workers or engine._workers[0].job is None


@pytest.mark.parametrize(
    "data",
    [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\1\xc1", b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\5\x81"],
)
def test_a_bad_frame_to_a_worker_ends_it_with_a_word(data: bytes) -> None:
    # a second, good frame completes a cut one, so that the worker does not see the end first
    sent = data + codec.encode(CancelJob("nothing")) * 4
    with subprocess.Popen(
        [sys.executable, "-m", "core.engine.worker"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(sent)
        read = process.stdout.read
        bodies = list(iter(lambda: codec.read_frame(read), None))
        process.wait(LONG)
    assert isinstance(codec.decode(bodies[-1]), Refused)
    assert process.returncode == 3
