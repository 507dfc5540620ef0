import dataclasses

import pytest
import torch

from biasray import data, methods, networks
from biasray.bias.task import Task
from biasray.experiment import SCALES, Compute, Experiment, Scaled, Training, resolved, variants

CPU = torch.device("cpu")
TASK = Task(data="digits", agreement=0.9)


def experiment(
    task: Task = TASK, training: Training = Training(), method: str = "lff", scale: str = "laptop", seed: int = 0
) -> Experiment:
    return resolved(task, training, data.load("digits"), method, {}, scale, seed, CPU)  # type: ignore[arg-type]


def test_the_hash_changes_with_whatever_changes_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "imagenet", lambda name: {})  # not downloaded
    base = experiment()
    others = [
        experiment(dataclasses.replace(TASK, agreement=0.95)),
        experiment(dataclasses.replace(TASK, palette="kim")),
        experiment(training=Training(batch=128)),
        experiment(training=Training(precision="float64")),
        experiment(training=Training(epochs=7)),
        experiment(training=Training(network="resnet18")),
        experiment(training=Training(network="resnet18:imagenet")),
        experiment(method="erm"),
        experiment(seed=1),
        dataclasses.replace(base, version=99),
        dataclasses.replace(base, data_checksum="other"),
        dataclasses.replace(base, settings={**base.settings, "q": 0.5}),
    ]
    prints = [e.fingerprint() for e in [base, *others]]
    assert len(set(prints)) == len(prints)


def test_the_hash_does_not_change_with_where_the_data_lie() -> None:
    moved = dataclasses.replace(experiment(), task=dataclasses.replace(experiment().task, data="s3://elsewhere/digits"))
    assert moved.fingerprint() == experiment().fingerprint()


def test_what_is_unlearnt_changes_only_methods_that_unlearn() -> None:
    task = dataclasses.replace(experiment().task, unlearn=("colour",))
    assert dataclasses.replace(experiment(), task=task).fingerprint() == experiment().fingerprint()
    unlearning = dataclasses.replace(experiment(), method="jlu")
    assert dataclasses.replace(unlearning, task=task).fingerprint() != unlearning.fingerprint()


def test_a_default_spelt_out_is_the_same_experiment() -> None:
    spelt = dataclasses.replace(TASK, target="digit", bias="colour", colour_std=0.005)
    training = Training(network="mlp", epochs=20, batch=256, lr=1e-3, precision="float32")
    assert experiment(spelt, training).fingerprint() == experiment().fingerprint()


def test_what_is_given_wins_over_the_scale_and_the_preset() -> None:
    assert experiment(scale="smoke").epochs == SCALES["smoke"].epochs
    assert experiment(training=Training(epochs=3), scale="paper").epochs == 3
    own = experiment(training=Training(preset="own"))
    assert (own.epochs, own.recipe) == (100, methods.get("lff").own[""].recipe)
    assert experiment(training=Training(preset="own", lr=0.5)).recipe.lr == 0.5


def test_a_method_that_needs_several_epochs_gets_them_or_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCALES, "smoke", Scaled(1, 1))
    assert experiment(method="echoes", scale="smoke").epochs == 2
    assert experiment(method="erm", scale="smoke").epochs == 1
    with pytest.raises(ValueError, match="--epochs must be at least 2 for echoes, not 1"):
        experiment(method="echoes", training=Training(epochs=1))


def test_large_tables_get_fewer_epochs_on_a_laptop() -> None:
    assert SCALES["laptop"].epochs_of(900) == 20
    assert SCALES["laptop"].epochs_of(53_964) == 13
    assert SCALES["laptop"].epochs_of(10_000_000) == 1
    assert SCALES["paper"].epochs_of(10_000_000) == 100


@pytest.mark.parametrize(
    ("training", "says"),
    [
        (Training(network="vgg"), "Unknown network 'vgg'; choose"),
        (Training(network="cnn:imagenet"), "no weights 'cnn:imagenet'; there is NAME:imagenet for resnet18, "),
        (Training(epochs=0), "at least 1"),
        (Training(lr=-1), "lr must be above 0"),
    ],
)
def test_bad_training_options_are_refused_with_what_to_do(training: Training, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        experiment(training=training)


def test_method_names_are_checked_and_all_is_every_method_that_debiases() -> None:
    assert list(variants(["all"])) == methods.debiasing()
    assert variants(["lff", "erm", "lff"]) == {"lff": ("lff", {}), "erm": ("erm", {})}
    with pytest.raises(ValueError, match=r"Unknown method 'magic'; choose from .*erm, "):
        variants(["erm", "magic"])


def test_a_method_may_be_compared_with_itself_under_other_settings() -> None:
    found = variants(["poisoner", "poisoner:p=2,reweight=false"])
    assert found == {"poisoner": ("poisoner", {}), "poisoner p 2 reweight false": ("poisoner", {"p": 2, "reweight": False})}
    for entry in ("poisoner:", "poisoner:p", "poisoner:p=2,gamma"):
        with pytest.raises(ValueError, match=f"--methods {entry}: write settings as poisoner:name=value,name=value."):
            variants([entry])
    with pytest.raises(ValueError, match="poisoner has no setting 'q'; it has: p, "):
        variants(["poisoner:q=1"])
    with pytest.raises(ValueError, match="Setting 'p' of poisoner cannot be 'two'"):
        variants(["poisoner:p=two"])


def test_only_settings_found_with_the_same_optimiser_go_with_a_data_set_under_scale_paper() -> None:
    waterbirds = dataclasses.replace(data.load("digits"), name="waterbirds")
    made = resolved(TASK, Training(), waterbirds, "jtt", {}, "paper", 0, torch.device("cpu"))
    assert made.settings == {"identify": None, "copies": None}  # 60 and 100 are for SGD at 1e-5
    own = resolved(TASK, Training(preset="own"), waterbirds, "jtt", {}, "paper", 0, torch.device("cpu"))
    assert (own.settings, own.recipe.lr) == ({"identify": 60, "copies": 100}, 1e-5)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no GPU for --device cuda:7"):
        Compute(device="cuda:7").start()
    with pytest.raises(ValueError, match="Unknown --device quantum"):
        Compute(device="quantum").start()


def test_under_scale_paper_a_data_set_brings_its_papers_network_and_settings() -> None:
    digits = data.load("digits")
    for name, network, p in (("celeba", "resnet18", 10), ("waterbirds", "resnet18", 5), ("imagenet-b", "resnet34", 5)):
        named = dataclasses.replace(digits, name=name)
        made = resolved(TASK, Training(), named, "poisoner", {}, "paper", 0, torch.device("cpu"))
        assert (made.network, made.settings["p"], made.recipe.lr) == (network, p, 1e-3)
        assert resolved(TASK, Training(), named, "poisoner", {}, "laptop", 0, torch.device("cpu")).settings["p"] == 5
    assert (
        resolved(
            TASK, Training(), dataclasses.replace(digits, name="mnist"), "erm", {}, "paper", 0, torch.device("cpu")
        ).network
        == "mlp"
    )
