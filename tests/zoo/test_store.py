"""What is written is read back, and what is damaged is found."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from biasray import storage
from biasray.zoo import plan, store
from biasray.zoo.member import Member
from biasray.zoo.plan import Speed
from biasray.zoo.train import train
from tests.zoo.members import DIGITS, member

CPU = torch.device("cpu")


def make(folder: Path, members: Sequence[Member], only: Sequence[int] | None = None) -> str:
    """A zoo of shards of two members each."""
    out = str(folder)
    storage.write_json(f"{out}/{store.ZOO}", {"hash": "x"})
    speeds = [[Speed("grouped", 2, plan.SECONDS / 2, 0)] for _ in plan.programs(members)]
    plan.freeze(out, members, speeds, 1, {"device": "cpu", "threads": 1, "memory": 0})
    shards = plan.read(out, members)
    for shard in shards:
        if only is None or shard.number in only:
            store.write_shard(out, shard, [train(shard.members, DIGITS, shard.packed, CPU)], {"seconds": 1})
    if only is None:
        store.finish(out, len(shards))
    return out


@pytest.fixture(scope="module")
def members() -> list[Member]:
    kinds = ["digit-cnn"] * 3 + ["cnn-bn"] * 2
    return [member(k, network=kind, precision="float32", epochs=1) for k, kind in enumerate(kinds)]


@pytest.fixture
def zoo(tmp_path: Path, members: list[Member]) -> str:
    return make(tmp_path / "zoo", members)


def test_a_shard_holds_members_of_one_program_and_the_plan_holds_all(zoo: str, members: list[Member]) -> None:
    shards = plan.read(zoo, members)
    assert [len(shard.members) for shard in shards] == [2, 1, 2]
    assert [m for shard in shards for m in shard.members] == members


def test_a_member_is_read_back_as_row_state_dict_and_network(zoo: str, members: list[Member]) -> None:
    found, last = store.Zoo(zoo), members[4]
    expected_P = train(members[3:], DIGITS, "grouped", CPU).weight_MP[1]
    assert torch.equal(found.weights([members[3].id, last.id])[1], expected_P)
    network = found.network(last.id)
    state = found.state_dict(last.id)
    assert not network.training
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in state.items())
    assert not torch.equal(state["body.1.running_mean"], torch.zeros(32))  # what batch norm keeps is kept


def test_only_the_shards_that_are_asked_for_are_read(zoo: str, members: list[Member]) -> None:
    storage.delete(store.shard_file(zoo, 2, "safetensors"))
    assert store.Zoo(zoo).weights([members[1].id]).shape == (1, 49_562)


def test_the_index_says_what_each_member_is(zoo: str, members: list[Member]) -> None:
    index = store.Zoo(zoo).index
    assert index["id"].tolist() == [m.id for m in members]
    assert index["level"].tolist() == [0.02, 0.03, 0.04, 0.05, 0.02]
    assert index["network"].tolist() == [m.network for m in members]
    assert index["accuracy"].between(0, 1).all()
    assert [len(x) for x in index["digit_accuracy"]] == [10] * 5


def test_the_same_members_give_the_same_manifest(zoo: str, members: list[Member], tmp_path: Path) -> None:
    other = make(tmp_path / "other", members)
    assert storage.read(f"{other}/{store.MANIFEST}") == storage.read(f"{zoo}/{store.MANIFEST}")


def test_a_whole_zoo_has_no_problems(zoo: str) -> None:
    assert store.verify(zoo) == []


@pytest.mark.parametrize("kind", ["safetensors", "parquet"])
def test_a_damaged_file_is_named_with_its_shard(zoo: str, kind: str) -> None:
    file = store.shard_file(zoo, 1, kind)
    data = bytearray(storage.read(file))
    data[len(data) // 2] ^= 1
    storage.write(file, bytes(data))
    (problem,) = store.verify(zoo)
    assert problem.shard == 1
    assert problem.sentence.startswith(f"{file} is damaged")


@pytest.mark.parametrize("content", [b"{", b"{}", b'{"files": {}}'])
def test_a_damaged_mark_makes_its_shard_a_damaged_one(zoo: str, content: bytes) -> None:
    storage.write(store.shard_file(zoo, 2, "json"), content)
    assert "00002.json is damaged" in store.broken(zoo, 2)
    assert [problem.shard for problem in store.verify(zoo)] == [2]


@pytest.mark.parametrize("name", ["layouts/digit-cnn.json", store.MANIFEST, plan.PLAN])
def test_what_belongs_to_no_shard_is_found_too(zoo: str, name: str) -> None:
    storage.write(
        f"{zoo}/{name}", storage.read(f"{zoo}/{name}").replace(b"digit-cnn", b"digit-cNn").replace(b"index", b"iNdex")
    )
    assert any(name in problem.sentence for problem in store.verify(zoo))


def test_damaged_layouts_are_mended_when_the_zoo_is_finished_again(zoo: str) -> None:
    before = storage.read(f"{zoo}/{store.MANIFEST}")
    storage.write(f"{zoo}/layouts/digit-cnn.json", b"{}")
    store.finish(zoo, 3)
    assert store.verify(zoo) == []
    assert storage.read(f"{zoo}/{store.MANIFEST}") == before


def test_a_plan_that_lost_members_is_refused(zoo: str, members: list[Member]) -> None:
    planned = storage.read_json(f"{zoo}/{plan.PLAN}")
    storage.write_json(f"{zoo}/{plan.PLAN}", {**planned, "shards": planned["shards"][1:]})
    with pytest.raises(ValueError, match=r"plan\.json does not hold all members"):
        plan.read(zoo, members)


def test_a_missing_shard_is_named(tmp_path: Path, members: list[Member]) -> None:
    out = make(tmp_path / "zoo", members, only=[0, 2])
    (problem,) = store.verify(out)
    assert (problem.shard, problem.sentence) == (1, f"Shard 1 of {out} is missing; run the command that made the zoo again.")
    with pytest.raises(ValueError, match="is not finished"):
        store.Zoo(out)


def test_an_index_that_was_changed_is_found(zoo: str) -> None:
    storage.write(f"{zoo}/{store.INDEX}", b"PAR1")
    (problem,) = store.verify(zoo)
    assert store.INDEX in problem.sentence


def test_a_member_that_is_there_twice_is_found(zoo: str) -> None:
    planned = storage.read_json(f"{zoo}/{plan.PLAN}")
    planned["shards"][1]["members"] = [planned["shards"][0]["members"][0]]
    storage.write_json(f"{zoo}/{plan.PLAN}", planned)
    for kind in ("safetensors", "parquet", "json"):
        storage.write(store.shard_file(zoo, 1, kind), storage.read(store.shard_file(zoo, 0, kind)))
    sentences = " ".join(problem.sentence for problem in store.verify(zoo))
    assert "is in shard 0 and in 1" in sentences
    assert "have the same weights" in sentences


def test_a_folder_without_a_zoo_and_an_unknown_member_are_one_sentence(zoo: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no zoo: it has no plan\.json"):
        store.verify(str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="has no member abc"):
        store.Zoo(zoo).state_dict("abc")
    with pytest.raises(ValueError, match="of several networks"):
        store.Zoo(zoo).weights(store.Zoo(zoo).index["id"].tolist())


def test_members_that_are_not_finite_have_no_figures(tmp_path: Path) -> None:
    out = make(tmp_path / "zoo", [member(0, precision="float32"), member(1, precision="float32", lr=1e30)])
    index = store.Zoo(out).index
    assert index["finite"].tolist() == [True, False]
    assert index["accuracy"].isna().tolist() == [False, True]
