"""What a model was asked and what it answered, a line each, chained by hashes.

    {"about": {...}, "hash": h0}                                          h0 = hash of about
    {"number": 1, "probe": ..., "image": ..., "answer": ..., "hash": h1}  h1 = hash of h0 and of the line without its hash

So no line can be changed, left out or put in without changing the last hash: whoever has noted that can tell.
"""

import fcntl
import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple, Self, final


class Entry(NamedTuple):
    number: int  # from 1
    probe: str  # its id in the kit
    image: str  # checksum of the bytes that were sent
    answer: Any  # as it came, before it is read


@final
class Journal:
    """A file that grows by a line for each answer, written to disk before the next question is asked."""

    def __init__(self, file: str, about: dict[str, Any]) -> None:
        """Begin a journal, or go on with the one that is there.

        A last line that was cut off when its process was killed is dropped. Raises ValueError for a journal of something else,
        and for one that was changed.
        """
        self.file = Path(file)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._opened = self.file.open("a+b")
        try:
            self.entries, self.last = self._begun(about)
        except ValueError:
            self._opened.close()
            raise

    def _begun(self, about: dict[str, Any]) -> tuple[list[Entry], str]:
        try:
            fcntl.flock(self._opened, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until it is closed
        except OSError as error:
            raise ValueError(f"Another audit is writing {self.file}; wait for its end, or give another --out.") from error
        written = self.file.read_bytes()
        whole = written[: written.rfind(b"\n") + 1]
        self._opened.truncate(len(whole))
        if not whole:
            first = _hashed("", {"about": about})
            self._write({"about": about, "hash": first})
            return [], first
        there, entries, last = replayed(whole, str(self.file))
        if there != about:
            differ = ", ".join(key for key in {**there, **about} if there.get(key) != about.get(key))
            raise ValueError(f"{self.file} is the journal of another audit (its {differ} differ); give another --out.")
        return entries, last

    def append(self, probe: str, image: str, answer: Any) -> None:
        """Keep an answer: it is on disk when this returns."""
        entry = Entry(len(self.entries) + 1, probe, image, answer)
        self.last = _hashed(self.last, entry._asdict())
        self._write({**entry._asdict(), "hash": self.last})
        self.entries.append(entry)

    def _write(self, line: dict[str, Any]) -> None:
        self._opened.write((json.dumps(line) + "\n").encode())
        self._opened.flush()
        os.fsync(self._opened.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()


def replayed(written: bytes, called: str) -> tuple[dict[str, Any], list[Entry], str]:
    """What a journal is about, its entries, and its last hash. Raises ValueError where it was changed."""
    about, entries, last = dict[str, Any](), list[Entry](), ""
    for number, text in enumerate(written.splitlines()):
        try:
            line = json.loads(text)
            said = line.pop("hash")
            if said != _hashed(last, line):
                raise ValueError("its hash is another")
            if number:
                entries.append(Entry(**line))
            else:
                about = line["about"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{called}, line {number + 1} was changed ({error}); it proves nothing any more.") from error
        last = said
    if not last:
        raise ValueError(f"{called} is empty; give a journal that `pipelines.audit run` wrote.")
    return about, entries, last


def _hashed(last: str, line: dict[str, Any]) -> str:
    return hashlib.sha256((last + json.dumps(line, sort_keys=True)).encode()).hexdigest()
