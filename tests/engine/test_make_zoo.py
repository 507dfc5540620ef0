"""A zoo through a real Ray: killed, damaged and resumed, it ends as an undisturbed one."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import ray

from biasray import storage
from biasray.engine.cells import Status
from biasray.engine.zoo import claim, make_zoo, members_of
from biasray.experiment import Compute
from biasray.zoo import plan, store
from biasray.zoo.member import Member
from biasray.zoo.spec import DigitZoo
from tests.engine.cells import kill_a_worker
from tests.zoo.members import DIGITS

ABOUT = {"kind": "test"}
COMPUTE = Compute(device="cpu", threads=1)


def members(**changes: Any) -> tuple[Member, ...]:
    fields = {"members": 16, "images": 200, "epochs": (3,), "batch": (32,), **changes}
    return DigitZoo(**fields).expand(DIGITS, "float32", 0)


def make(folder: Path | str, chosen: tuple[Member, ...] | None = None, **callbacks: Any) -> dict[int, str]:
    return make_zoo(chosen or members(), ABOUT, DIGITS, str(folder), COMPUTE, **callbacks)


def same_plan(undisturbed: Path, folder: Path) -> Path:
    """A folder in which the zoo is planned and nothing is made."""
    folder.mkdir()
    for name in (plan.PLAN, store.ZOO):
        shutil.copy(undisturbed / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, local_ray: None) -> Path:
    """Eight shards of two members."""
    folder, chosen = tmp_path_factory.mktemp("zoo") / "undisturbed", members()
    claim(str(folder), chosen, ABOUT)
    speeds = [[plan.Speed("grouped", 2, plan.SECONDS / 2, 0)]]
    plan.freeze(str(folder), chosen, speeds, 1, {"device": "cpu", "threads": 1, "memory": 0})
    assert make(folder) == {}
    return folder


def ends_as(undisturbed: Path, folder: Path) -> bool:
    """The same manifest and index, byte for byte, and nothing wrong."""
    names = (store.MANIFEST, store.INDEX)
    return not store.verify(str(folder)) and all((undisturbed / n).read_bytes() == (folder / n).read_bytes() for n in names)


def test_it_holds_every_member_and_leaves_no_scratch(undisturbed: Path) -> None:
    zoo = store.Zoo(str(undisturbed))
    assert sorted(zoo.index["id"]) == sorted(m.id for m in members())
    assert store.verify(str(undisturbed)) == []
    assert not (undisturbed / "ray").exists()


def test_progress_is_of_all_members_from_the_start_though_shards_differ(local_ray: None, tmp_path: Path) -> None:
    chosen, folder, told = members(), tmp_path / "uneven", list[Status]()
    claim(str(folder), chosen, ABOUT)
    about = {"device": "cpu", "threads": 1, "memory": 0}
    plan.freeze(str(folder), chosen, [[plan.Speed("grouped", 12, plan.SECONDS / 12, 0)]], 1, about)  # shards of 12 and 4
    assert make(folder, told=told.append) == {}
    assert {status.total for status in told} == {16}


def test_it_is_read_as_a_ray_data_set(undisturbed: Path) -> None:
    zoo = store.Zoo(str(undisturbed))
    rows = {row["id"]: row for row in members_of(str(undisturbed)).take_all()}
    last = zoo.index.iloc[-1]
    assert sorted(rows) == sorted(zoo.index["id"])
    assert rows[last["id"]]["level"] == last["level"]
    assert rows[last["id"]]["weights"].tolist() == zoo.weights([last["id"]])[0].tolist()


def test_workers_are_killed_and_it_ends_the_same(undisturbed: Path, tmp_path: Path) -> None:
    folder, killed = same_plan(undisturbed, tmp_path / "zoo"), list[bool]()

    def told(status: Any) -> None:
        if status.done and len(killed) < 2:
            killed.append(kill_a_worker("_Inner.train"))

    assert make(folder, told=told) == {}
    assert any(killed)
    assert ends_as(undisturbed, folder)


def test_workers_take_the_memory_that_was_measured_and_are_no_more_than_it_allows(undisturbed: Path, tmp_path: Path) -> None:
    assert make(tmp_path / "zoo") == {}
    predicted = storage.read_json(str(tmp_path / "zoo" / plan.PLAN))["memory"]
    taken = [storage.read_json(str(file))["memory"] for file in (tmp_path / "zoo" / "times").iterdir()]
    assert 0 < max(taken) < 1.1 * predicted
    held = ray.cluster_resources()["memory"]
    alone = same_plan(undisturbed, tmp_path / "alone")
    frozen = storage.read_json(str(alone / plan.PLAN))
    storage.write_json(str(alone / plan.PLAN), {**frozen, "memory": int(2 * held)})
    with pytest.raises(ValueError, match=r"GB of memory for these members, and no machine has room for one"):
        make(alone)
    storage.write_json(str(alone / plan.PLAN), {**frozen, "memory": int(0.6 * held)})
    assert make(alone) == {}
    assert len({storage.read_json(str(file))["process"] for file in (alone / "times").iterdir()}) == 1


def test_what_is_damaged_is_made_anew_and_nothing_else_though_one_cannot_be_written(undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "zoo"
    shutil.copytree(undisturbed, folder)
    Path(store.shard_file(str(folder), 1, "safetensors")).write_bytes(b"nothing")
    blocked = Path(store.shard_file(str(folder), 0, "parquet"))
    blocked.unlink()
    blocked.mkdir()
    Path(store.shard_file(str(folder), 0, "json")).unlink()
    before = {file.name: file.stat().st_mtime_ns for file in folder.glob("shards/*.json")}
    made = list[int]()
    failed = make(folder, finished=made.append)
    assert list(failed) == [0]
    assert failed[0].startswith(f"Cannot write {blocked}")
    after = {file.name: file.stat().st_mtime_ns for file in folder.glob("shards/*.json")}
    assert [name for name in after if after[name] != before.get(name)] == ["00001.json"]
    assert sorted(made) == list(range(1, len(after) + 1))
    blocked.rmdir()
    assert make(folder) == {}
    assert ends_as(undisturbed, folder)


def test_a_folder_of_another_zoo_or_device_is_refused(undisturbed: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds another zoo; give another --out"):
        make(undisturbed, members(members=8))
    folder = same_plan(undisturbed, tmp_path / "zoo")
    frozen = storage.read_json(str(folder / plan.PLAN))
    storage.write_json(str(folder / plan.PLAN), {**frozen, "device": "cuda"})
    with pytest.raises(ValueError, match="was planned for cuda with 1 threads"):
        make(folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no zoo"):
        make(tmp_path / "other")
