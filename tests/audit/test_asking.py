import base64
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from biasray.audit.asking import ask
from biasray.audit.journal import Journal
from biasray.audit.reading import Reading
from biasray.audit.targets.http import Http
from biasray.audit.targets.target import Probe, RefusedError, Target
from tests.audit.server import age, serving

PROBES = [Probe(f"probe {k}", f"image {k}".encode()) for k in range(30)]
AGES = Reading(field="faces.0.age")
ABOUT = {"kit": "abc", "target": "a box"}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(str(tmp_path / "journal"), ABOUT) as opened:
        yield opened


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


def test_a_server_that_fails_a_third_of_its_calls_costs_no_more_than_the_budget(tmp_path: Path, journal: Journal) -> None:
    with serving(tmp_path / "notes", failing=3) as box:
        found = ask(Http(url=box.url), PROBES, journal, AGES, len(PROBES))
        assert box.calls > 40
    assert [asked.value for asked in found] == [age(probe.image_png) for probe in PROBES]
    answered = (tmp_path / "notes").read_text().split()
    assert len(answered) == len(set(answered)) == len(PROBES)


def test_a_server_that_is_killed_and_comes_back_is_asked_nothing_twice(tmp_path: Path, journal: Journal) -> None:
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
        box = Http(url=f"http://127.0.0.1:{port}/predict", tries=12)
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
    assert len(set(answered)) == len(PROBES)


def test_an_answer_that_breaks_off_is_asked_for_again_as_often_as_tries_allow(tmp_path: Path, journal: Journal) -> None:
    with serving(tmp_path / "notes", broken=2) as box:
        (found,) = ask(Http(url=box.url, tries=3), PROBES[:1], journal, AGES, 1)
    assert found.value == age(PROBES[0].image_png)
    with serving(tmp_path / "notes", broken=2) as box, pytest.raises(ValueError, match="did not answer in 2 tries"):
        ask(Http(url=box.url, tries=2), PROBES[1:2], journal, AGES, 2)


def test_only_the_image_goes_over_the_wire(tmp_path: Path, journal: Journal) -> None:
    with serving(tmp_path / "notes") as box:
        ask(Http(url=box.url), PROBES[:3], journal, AGES, 3)
        sent = box.bodies
    assert [json.loads(body) for body in sent] == [{"image": base64.b64encode(p.image_png).decode()} for p in PROBES[:3]]


def test_a_killed_audit_goes_on_after_its_last_whole_answer(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    with Journal(str(file), ABOUT) as journal:
        ask(Says(31, 32), PROBES[:2], journal, Reading(), 5)
    with file.open("ab") as opened:
        opened.write(b'{"number": 3, "probe": "pro')
    target = Says(33)
    with Journal(str(file), ABOUT) as journal:
        found = ask(target, PROBES[:3], journal, Reading(), 5)
    assert [asked.value for asked in found] == [31, 32, 33]
    assert target.asked == [PROBES[2].image_png]
    with Journal(str(file), ABOUT) as journal:
        assert [entry.answer for entry in journal.entries] == [31, 32, 33]


def test_a_journal_that_was_cut_off_in_its_first_line_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b'{"about": {"ki')
    with Journal(str(tmp_path / "journal"), ABOUT) as journal:
        assert ask(Says(31), PROBES[:1], journal, Reading(), 1)[0].value == 31
    with Journal(str(tmp_path / "journal"), ABOUT) as journal:
        assert len(journal.entries) == 1


def test_two_audits_do_not_write_one_journal(tmp_path: Path) -> None:
    with Journal(str(tmp_path / "journal"), ABOUT), pytest.raises(ValueError, match="Another audit is writing"):
        Journal(str(tmp_path / "journal"), ABOUT)


@pytest.mark.parametrize(("old", "new"), [(b'"answer": 32', b'"answer": 52'), (b'"probe 1"', b'"probe 9"'), (b"abc", b"abd")])
def test_a_journal_that_was_changed_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    file = tmp_path / "journal"
    with Journal(str(file), ABOUT) as journal:
        ask(Says(31, 32, 33), PROBES[:3], journal, Reading(), 5)
    written = file.read_bytes()
    assert written.count(old) == 1
    file.write_bytes(written.replace(old, new))
    with pytest.raises(ValueError, match="was changed"):
        Journal(str(file), ABOUT)
    file.write_bytes(b"\n".join(line for k, line in enumerate(written.split(b"\n")) if k != 2))
    with pytest.raises(ValueError, match="line 3 was changed"):
        Journal(str(file), ABOUT)


def test_the_journal_of_another_target_is_not_gone_on_with(tmp_path: Path) -> None:
    with Journal(str(tmp_path / "journal"), ABOUT):
        pass
    with pytest.raises(ValueError, match=r"another audit .its target differ"):
        Journal(str(tmp_path / "journal"), {**ABOUT, "target": "another"})


def test_nothing_is_sent_that_the_budget_does_not_allow(tmp_path: Path, journal: Journal) -> None:
    target = Says(*range(30))
    with pytest.raises(ValueError, match="0 answers and 3 more questions are beyond the budget of 2"):
        ask(target, PROBES[:3], journal, Reading(), 2)
    assert target.asked == []


def test_a_wrong_address_costs_nothing_and_a_refused_image_is_an_answer(tmp_path: Path, journal: Journal) -> None:
    with pytest.raises(ValueError, match=r"404.* 0 answers are kept"):
        ask(Says(ValueError("404 Not Found")), PROBES[:3], journal, Reading(), 3)
    found = ask(Says(RefusedError("422 no face"), 30, 31), PROBES[:3], journal, Reading(), 3)
    assert [found[k].value for k in (1, 2)] == [30, 31]
    assert "{'refused': '422 no face'} is no finite number" in found[0].problem
    with pytest.raises(ValueError, match=r"404.* 3 answers are kept"):  # as when the service is down for a while
        ask(Says(ValueError("404 Not Found")), PROBES[:5], journal, Reading(), 5)


def test_a_target_that_refuses_the_first_images_is_asked_no_more(tmp_path: Path, journal: Journal) -> None:
    target = Says(*(RefusedError("422 no face") for _ in range(20)))
    with pytest.raises(ValueError, match=r"All 10 questions were refused \(the last: 422 no face\)"):
        ask(target, PROBES[:12], journal, Reading(), 12)
    assert len(target.asked) == 10


def test_an_answer_that_is_read_wrongly_is_kept_for_a_better_reading(tmp_path: Path, journal: Journal) -> None:
    target = Says({"age": 31}, {"age": 32})
    for _ in range(2):  # asked again with the same reading, nothing more is spent
        with pytest.raises(ValueError, match=r"can be read: .*'years'; it has age"):
            ask(target, PROBES[:2], journal, Reading(field="years"), 2)
        assert len(target.asked) == 1
    found = ask(target, PROBES[:2], journal, Reading(field="age"), 2)
    assert [asked.value for asked in found] == [31, 32]


@pytest.mark.parametrize(("status", "error"), [(401, ValueError), (404, ValueError), (307, ValueError), (422, RefusedError)])
def test_what_is_said_of_an_image_is_told_from_what_is_said_of_all(status: int, error: type, tmp_path: Path) -> None:
    with serving(tmp_path / "notes", status=status) as box, pytest.raises(ValueError, match=str(status)) as raised:
        Http(url=box.url, tries=2).answer(PROBES[0])
    assert raised.type is error


def test_a_form_holds_the_image_alone_and_no_credentials_go_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving(tmp_path / "notes") as box:
        with pytest.raises(RefusedError):  # the box of these tests reads JSON alone
            Http(url=box.url, form="multipart", tries=1).answer(PROBES[0])
        assert box.bodies[0].count(b"Content-Disposition") == 1
        assert b'name="image"; filename="image.png"' in box.bodies[0]
        assert PROBES[0].image_png in box.bodies[0]
        Http(url=box.url).answer(PROBES[0])
        assert all("Authorization" not in headers for headers in box.headers)


@pytest.mark.parametrize("fields", [{"tries": 0}, {"timeout": 0.0}, {"every": -1.0}])
def test_settings_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="--tries must be 1 or more"):
        Http(url="http://127.0.0.1/", **fields)


def test_a_target_that_stays_silent_is_said_and_nothing_is_lost(tmp_path: Path, journal: Journal) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ValueError, match=r"did not answer in 2 tries .*0 answers are kept"):
        ask(Http(url=f"http://127.0.0.1:{port}/", tries=2), PROBES[:3], journal, AGES, 3)
