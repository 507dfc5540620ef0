import base64
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from biasray.audit.asking import ask
from biasray.audit.journal import Journal
from biasray.audit.reading import Reading
from biasray.audit.targets.http import Http
from biasray.audit.targets.target import Probe, Target
from tests.audit.server import age, serving

PROBES = [Probe(f"probe {k}", f"image {k}".encode()) for k in range(30)]
AGES = Reading(field="faces.0.age")
ABOUT = {"kit": "abc", "target": "a box"}


class Says(Target):
    """A target in this process: gives its answers in turn, and raises those that are errors."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[bytes]()

    def answer(self, probe: Probe) -> Any:
        self.asked.append(probe.image_png)
        found = self.answers[len(self.asked) - 1]
        if isinstance(found, Exception):
            raise found
        return found


def test_a_server_that_fails_a_third_of_its_calls_costs_no_more_than_the_budget(tmp_path: Path) -> None:
    with serving(tmp_path / "notes", failing=3) as box:
        found = ask(Http(url=box.url), PROBES, Journal(str(tmp_path / "journal"), ABOUT), AGES, len(PROBES))
        assert box.calls > 40
    assert [asked.value for asked in found] == [age(probe.image_png) for probe in PROBES]
    answered = (tmp_path / "notes").read_text().split()
    assert len(answered) == len(set(answered)) == len(PROBES)


def test_a_server_that_is_killed_and_comes_back_is_asked_nothing_twice(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    notes, server = tmp_path / "notes", [sys.executable, "-m", "tests.audit.server", str(port), str(tmp_path / "notes"), "3"]
    first = subprocess.Popen(server)
    running = [first]

    def kill_and_start_again() -> None:
        while not notes.exists() or len(notes.read_text().split()) < 10:
            time.sleep(0.005)
        first.send_signal(signal.SIGKILL)
        first.wait()
        time.sleep(1)
        running.append(subprocess.Popen(server))

    thread = threading.Thread(target=kill_and_start_again)
    thread.start()
    try:
        box, journal = Http(url=f"http://127.0.0.1:{port}/predict", tries=12), Journal(str(tmp_path / "journal"), ABOUT)
        found = ask(box, PROBES, journal, AGES, len(PROBES))
        thread.join()
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert len(running) == 2
    assert [asked.value for asked in found] == [age(probe.image_png) for probe in PROBES]
    answered = notes.read_text().split()
    assert len(answered) <= len(PROBES) + 1  # the answer that was on its way when the server died may be lost


def test_only_the_image_goes_over_the_wire(tmp_path: Path) -> None:
    with serving(tmp_path / "notes") as box:
        ask(Http(url=box.url), PROBES[:3], Journal(str(tmp_path / "journal"), ABOUT), AGES, 3)
        sent = box.bodies
    assert [json.loads(body) for body in sent] == [{"image": base64.b64encode(p.image_png).decode()} for p in PROBES[:3]]


def test_a_killed_audit_goes_on_after_its_last_whole_answer(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    ask(Says(31, 32), PROBES[:2], Journal(str(file), ABOUT), Reading(), 5)
    with file.open("ab") as opened:
        opened.write(b'{"number": 3, "probe": "pro')
    target = Says(33)
    found = ask(target, PROBES[:3], Journal(str(file), ABOUT), Reading(), 5)
    assert [asked.value for asked in found] == [31, 32, 33]
    assert target.asked == [PROBES[2].image_png]
    assert [entry.answer for entry in Journal(str(file), ABOUT).entries] == [31, 32, 33]


@pytest.mark.parametrize(("old", "new"), [(b'"answer": 32', b'"answer": 52'), (b'"probe 1"', b'"probe 9"'), (b"abc", b"abd")])
def test_a_journal_that_was_changed_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    file = tmp_path / "journal"
    ask(Says(31, 32, 33), PROBES[:3], Journal(str(file), ABOUT), Reading(), 5)
    written = file.read_bytes()
    assert written.count(old) == 1
    file.write_bytes(written.replace(old, new))
    with pytest.raises(ValueError, match="was changed"):
        Journal(str(file), ABOUT)
    file.write_bytes(b"\n".join(line for k, line in enumerate(written.split(b"\n")) if k != 2))
    with pytest.raises(ValueError, match="line 3 was changed"):
        Journal(str(file), ABOUT)


def test_the_journal_of_another_target_is_not_gone_on_with(tmp_path: Path) -> None:
    ask(Says(31), PROBES[:1], Journal(str(tmp_path / "journal"), ABOUT), Reading(), 5)
    with pytest.raises(ValueError, match=r"another audit .its target differ"):
        Journal(str(tmp_path / "journal"), {**ABOUT, "target": "another"})


def test_nothing_is_sent_that_the_budget_does_not_allow(tmp_path: Path) -> None:
    target = Says(*range(30))
    with pytest.raises(ValueError, match="3 questions are more than the budget of 2"):
        ask(target, PROBES[:3], Journal(str(tmp_path / "journal"), ABOUT), Reading(), 2)
    assert target.asked == []


def test_a_wrong_address_costs_nothing_and_a_refusal_later_is_an_answer(tmp_path: Path) -> None:
    target, journal = Says(ValueError("404 Not Found")), Journal(str(tmp_path / "journal"), ABOUT)
    with pytest.raises(ValueError, match="404"):
        ask(target, PROBES[:2], journal, Reading(), 2)
    assert journal.entries == []
    found = ask(Says(30, ValueError("422 no face")), PROBES[:2], journal, Reading(), 2)
    assert found[0].value == 30
    assert found[1].value != found[1].value
    assert "{'error': '422 no face'} is no finite number" in found[1].problem


def test_an_answer_that_is_read_wrongly_is_kept_for_a_better_reading(tmp_path: Path) -> None:
    file = str(tmp_path / "journal")
    with pytest.raises(ValueError, match=r"cannot be read: .*'years'; it has age"):
        ask(Says({"age": 31}), PROBES[:1], Journal(file, ABOUT), Reading(field="years"), 1)
    nothing = Says()
    assert ask(nothing, PROBES[:1], Journal(file, ABOUT), Reading(field="age"), 1)[0].value == 31
    assert nothing.asked == []


def test_a_target_that_stays_silent_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ValueError, match=r"did not answer in 2 tries .*0 of 3 answers are kept"):
        ask(Http(url=f"http://127.0.0.1:{port}/", tries=2), PROBES[:3], Journal(str(tmp_path / "j"), ABOUT), AGES, 3)
