import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest

from biasray import storage

ROOT = Path(__file__).parents[1]


@pytest.fixture(params=["", "file://", "s3://"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3://":
        return storage.join(request.getfixturevalue("bucket"), tmp_path.name)
    return f"{request.param}{tmp_path}"


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_what_is_written_is_read_in_folders_made_as_needed(folder: str) -> None:
    file = storage.join(folder, "a", "b", "c.bin")
    assert not storage.exists(file)
    storage.write(file, b"\0\1")
    assert storage.read(file) == b"\0\1"
    assert storage.size(file) == 2
    storage.write(file, b"new")
    assert storage.read(file) == b"new"
    assert storage.exists(storage.join(folder, "a"))


def test_join_takes_a_folder_with_or_without_its_slash() -> None:
    assert storage.join("/a", "b", "c") == storage.join("/a/", "b", "c") == "/a/b/c"
    assert storage.join("s3://bucket/a/", "b") == "s3://bucket/a/b"
    assert storage.join("runs", "b") == "runs/b"


def test_names_are_sorted_without_unfinished_files_and_empty_where_nothing_is(folder: str) -> None:
    for name in ("b", "a", "C", ".hidden"):
        storage.write(storage.join(folder, "in", name), b"")
    assert storage.names(storage.join(folder, "in")) == ["C", "a", "b"]
    assert storage.names(storage.join(folder, "nowhere")) == []


def test_names_with_blanks_and_letters_beyond_ascii_are_written_and_read(folder: str) -> None:
    file = storage.join(folder, "große Daten", "24_0_1 .jpg")
    storage.write(file, b"x")
    assert storage.names(storage.join(folder, "große Daten")) == ["24_0_1 .jpg"]
    assert storage.read(file) == b"x"


def test_a_plain_path_and_its_uri_are_one_place(tmp_path: Path) -> None:
    storage.write(str(tmp_path / "x"), b"1")
    assert storage.read(f"file://{tmp_path}/x") == b"1"


def test_a_relative_path_is_below_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    storage.write("runs/x", b"1")
    assert (tmp_path / "runs" / "x").read_bytes() == b"1"


def test_deleting_twice_is_no_error(folder: str) -> None:
    file = storage.join(folder, "x")
    storage.write(file, b"1")
    storage.delete(file)
    storage.delete(file)
    assert not storage.exists(file)


def test_json_comes_back_and_ends_in_a_newline(folder: str) -> None:
    file = storage.join(folder, "x.json")
    storage.write_json(file, {"a": [1, None, "ü"]})
    assert storage.read_json(file) == {"a": [1, None, "ü"]}
    assert storage.read(file).endswith(b"\n")


def test_no_unfinished_file_is_left_by_a_write(tmp_path: Path) -> None:
    storage.write(str(tmp_path / "x"), b"1")
    assert os.listdir(tmp_path) == ["x"]


def test_a_place_that_cannot_be_written_gives_one_sentence(tmp_path: Path, bucket: str) -> None:
    storage.write(str(tmp_path / "file"), b"1")
    for place in (f"{tmp_path}/file/below", f"file://{tmp_path}/file/below", bucket.replace("bucket", "none/x")):
        with pytest.raises(ValueError, match=r"^Cannot write .*; choose another place\.$") as raised:
            storage.write(place, b"1")
        assert place in str(raised.value)
        assert "not-to-be-told" not in str(raised.value)


def test_a_bucket_that_is_not_found_gives_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"s3://no-such-bucket-of-biasray/x cannot be reached \(.*\); see that") as raised:
        storage.exists("s3://no-such-bucket-of-biasray/x")
    assert "\n" not in str(raised.value)


KILLED = """
import sys
from biasray import storage
byte = 0
while True:
    storage.write(sys.argv[1], bytes([byte]) * (1 << 23))
    if not byte:
        print("ready", flush=True)
    byte = (byte + 1) % 256
"""


def test_a_killed_writer_leaves_whole_bytes(folder: str) -> None:
    file = storage.join(folder, "state")
    for wait in (0.05, 0.12, 0.2, 0.5):
        writer = subprocess.Popen([sys.executable, "-c", KILLED, file], cwd=ROOT, stdout=subprocess.PIPE)
        with writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(wait)
            writer.send_signal(signal.SIGKILL)
        data = storage.read(file)
        assert len(data) == 1 << 23
        assert len(set(data)) == 1
        assert storage.names(folder) == ["state"]


WRITES = """
import sys
from biasray import storage
for k in range(20):
    storage.write(sys.argv[1], sys.argv[2].encode() * (1 << 20))
"""


def test_several_writers_of_one_file_leave_the_bytes_of_one_of_them(folder: str) -> None:
    file = storage.join(folder, "state")
    writers = [subprocess.Popen([sys.executable, "-c", WRITES, file, letter], cwd=ROOT) for letter in "abcd"]
    seen = set[bytes]()
    while any(writer.poll() is None for writer in writers):
        if storage.exists(file):
            data = storage.read(file)
            assert len(data) == 1 << 20
            seen.add(data[:1] if len(set(data)) == 1 else data)
    assert all(writer.returncode == 0 for writer in writers)
    assert seen <= {b"a", b"b", b"c", b"d"}
    assert storage.names(folder) == ["state"]


FULL = """
import resource, signal, sys
from biasray import storage
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
try:
    storage.write(sys.argv[1], bytes(1 << 20))
except ValueError as error:
    print(error)
"""


def test_no_space_left_gives_one_sentence_and_leaves_the_old_bytes_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "state"
    file.write_bytes(b"old")
    done = run(FULL, str(file))
    assert done.stdout == f"No space left to write {file}: free some, then run the same command; it goes on here.\n", (
        done.stderr
    )
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["state"]


def test_checksums_differ_by_content_only() -> None:
    assert storage.checksum(b"a") == storage.checksum(b"a") != storage.checksum(b"b")
    assert len(storage.checksum(b"")) == 32


def test_a_fingerprint_does_not_depend_on_the_order_of_keys_but_on_every_value() -> None:
    assert storage.fingerprint({"a": 1, "b": [2, 3]}) == storage.fingerprint({"b": [2, 3], "a": 1})
    others = [{"a": 1, "b": [3, 2]}, {"a": 1.5, "b": [2, 3]}, {"a": 1}, {"a": 1, "b": [2, 3], "c": None}]
    assert len({storage.fingerprint(v) for v in others} | {storage.fingerprint({"a": 1, "b": [2, 3]})}) == 5
    assert len(storage.fingerprint(others)) == 12


@pytest.mark.parametrize(
    ("uri", "folder", "name"),
    [
        ("/data/cmnist/1pct/", "/data/cmnist", "1pct"),
        ("s3://bucket/out/mine?region=eu", "s3://bucket/out?region=eu", "mine"),
    ],
)
def test_a_place_is_split_into_its_folder_and_its_name(uri: str, folder: str, name: str) -> None:
    assert storage.split(uri) == (folder, name)
    assert storage.join(folder, name) == uri.rstrip("/")


@pytest.mark.parametrize(
    "uri",
    [
        "s3://AKIA:not-to-be-told@bucket/runs",
        "s3://bucket/runs?access_key=AKIA&secret_key=not-to-be-told",
        "abfs://box@account/runs?sas_token=not-to-be-told",
        "http://me:not-to-be-told@mlflow:5000",
    ],
)
def test_a_key_in_an_address_is_refused_and_not_told(uri: str) -> None:
    for use in (storage.refuse_keys, storage.read, storage.exists, storage.names):
        with pytest.raises(ValueError, match=r"holds a key, .* leave it out") as refused:
            use(uri)
        assert "not-to-be-told" not in str(refused.value)
        assert "AKIA" not in str(refused.value)


def test_an_address_without_a_key_is_taken(bucket: str) -> None:
    taken = (bucket, "/data/key=1?secret=2", "gs://bucket/tokens/x", "http://mlflow:5000", "abfss://box@account.dfs/x")
    assert [uri for uri in taken if _refused(uri)] == []


def _refused(uri: str) -> bool:
    try:
        storage.refuse_keys(uri)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", ".."])
def test_a_name_cannot_lead_out_of_its_folder(folder: str, name: str) -> None:
    with pytest.raises(ValueError, match="is no name below"):
        storage.join(folder, name)


def test_a_write_leaves_one_object_in_an_object_store(bucket: str, tmp_path: Path) -> None:
    storage.write(storage.join(bucket, tmp_path.name, "in", "x"), b"1")
    client = boto3.client("s3", endpoint_url=bucket.split("endpoint_override=")[1].split("&")[0], region_name="eu-west-1")
    found = client.list_objects_v2(Bucket="bucket", Prefix=f"{tmp_path.name}/")["Contents"]
    assert [each["Key"] for each in found] == [f"{tmp_path.name}/in/x"]
