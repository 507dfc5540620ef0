"""An experiment (what) and compute (where): resolving what is left open, and the hash of what determines a result."""

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, NamedTuple

import torch

from biasray import data, methods, networks, storage
from biasray.bias.part import ALL
from biasray.bias.task import Question, Task, resolve
from biasray.data.dataset import DataSet
from biasray.loop import Select
from biasray.predict import Precision
from biasray.process import knows_bf16, settle
from biasray.recipe import Preset, Recipe

Scale = Literal["smoke", "laptop", "paper"]


@dataclass(frozen=True, kw_only=True)
class Training:
    network: str | None = None
    """mlp, mlp-dim (which divides images by 255 once more, as the code of Nam et al. does), digit-cnn, cnn, cnn-bn,
    resnet18, resnet34, resnet50, efficientnet-b1, convnext-t or swin-t; the last six start from ImageNet weights as
    resnet50:imagenet. Default: mlp for grey digits, cnn otherwise; under --scale paper that of the data set's papers."""
    preset: Literal["common", "own"] = "common"
    """common: Adam 1e-3 and one budget of epochs for all; own: the settings of each method's paper."""
    epochs: int | None = None
    """Epochs of each method's last stage. Default: from scale and preset."""
    lr: float | None = None
    """Learning rate. Default: from the preset."""
    batch: int | None = None
    """Global batch size. Default: from the preset."""
    precision: Precision | None = None
    """Default: bf16 for convolutional networks where the hardware has it, float32 otherwise."""
    select: Select = "last"
    """Epoch to keep: the last, or the best on validation by accuracy or by the worst group."""


@dataclass(frozen=True, kw_only=True)
class Compute:
    device: str = "auto"
    """auto (a GPU where there is one), cpu, or cuda:K."""
    threads: int | None = None
    """Torch threads on the CPU. Default: one where cells run side by side, all cores for a single one. Bit-identical
    repeats need the same number."""
    workers: int = 1
    """Workers that share each training, by Ray Train."""
    min_workers: int | None = None
    """Go on with as few workers as this while machines are missing. Default: wait for all."""
    gpu_share: float = 1.0
    """Of a GPU, that a training takes where there are GPUs: 0.25 puts four small networks on each."""

    def start(self) -> torch.device:
        """Make this process ready and return the device; raises ValueError for one that is not there."""
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"--threads must be at least 1, not {self.threads}.")
        settle(self.threads)
        try:
            device = torch.device(self.device if self.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu")
        except RuntimeError:
            device = torch.device("meta")
        if device.type not in ("cpu", "cuda"):
            raise ValueError(f"Unknown --device {self.device}; give auto, cpu or cuda:0.")
        if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
            raise ValueError(f"There is no GPU for --device {self.device}; give --device cpu.")
        return device


class Scaled(NamedTuple):
    seeds: int
    epochs: int
    images: float = math.inf  # a large table gets fewer epochs: as many as show so many images

    def epochs_of(self, rows: int) -> int:
        return max(1, round(min(self.epochs, self.images / max(rows, 1))))


SCALES: dict[Scale, Scaled] = {
    "smoke": Scaled(2, 2, 20_000),
    "laptop": Scaled(3, 20, 700_000),
    "paper": Scaled(3, 100),
}


RESULTS = 2  # raised by hand when the loop, a network or a bias function changes results; a method has its own version


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One cell: one method, trained once. Nothing in it is left open, and all of it but its name is in its hash."""

    task: Task
    data_name: str
    data_checksum: str
    called: str
    """Name in a comparison: the method's, and the settings in which it differs from another of the same method."""
    method: str
    version: int
    settings: dict[str, Any]
    recipe: Recipe
    epochs: int
    network: str
    precision: Precision
    select: Select
    seed: int

    def fingerprint(self) -> str:
        """Of what determines the result: where the data lie is not in it, their checksum is."""
        fields = {**dataclasses.asdict(self), "results": RESULTS}
        del fields["task"]["data"], fields["called"]
        if self.task.only == ALL:
            del fields["task"]["only"]
        if "secondary" not in methods.get(self.method).needs:
            del fields["task"]["unlearn"]
        return storage.fingerprint(fields)


def resolved(
    task: Task,
    training: Training,
    dataset: DataSet,
    method: str,
    settings: dict[str, Any],
    scale: Scale,
    seed: int,
    device: torch.device,
) -> Experiment:
    """What is on the command line wins, then the method's settings and preset, then the scale.

    Raises ValueError for an unknown method, setting or network.
    """
    kind = methods.get(method)
    rows = int((dataset.examples["split"] == "train").sum()) if task.examples is None else task.examples
    preset = Preset(recipe=Recipe(), epochs=SCALES[scale].epochs_of(rows))
    if scale == "paper" and dataset.name in kind.own and kind.own[dataset.name].recipe == preset.recipe:
        preset = dataclasses.replace(preset, settings=kind.own[dataset.name].settings)  # found with this very optimiser
    if training.preset == "own":
        preset = kind.own.get(dataset.name, kind.own[""])
    given = {name: value for name in ("lr", "batch") if (value := getattr(training, name)) is not None}
    network = training.network or usual_network(dataset, scale)
    networks.check(network)
    if training.epochs is not None and training.epochs < kind.fewest_epochs:
        raise ValueError(f"--epochs must be at least {kind.fewest_epochs} for {method}, not {training.epochs}.")
    return Experiment(
        task=resolve(task, dataset),
        data_name=dataset.name,
        data_checksum=dataset.checksum,
        called=method,
        method=method,
        version=kind.version,
        settings=dataclasses.asdict(methods.config(method, {**preset.settings, **settings})),
        recipe=dataclasses.replace(preset.recipe, **given),
        epochs=training.epochs or max(preset.epochs, kind.fewest_epochs),
        network=network,
        precision=training.precision or fast_precision(network, device),
        select=training.select,
        seed=seed,
    )


def refuse_unlearn(task: Question, names: Sequence[str]) -> None:
    """Raise ValueError where attributes are to be unlearnt and no method does."""
    if task.unlearn and not any("secondary" in methods.get(name).needs for name in names):
        raise ValueError(f"--unlearn {' '.join(task.unlearn)}: {', '.join(names)} unlearns nothing; take jlu, or leave it out.")


def usual_network(dataset: DataSet, scale: Scale) -> str:
    """What is trained unless the user says otherwise: something small, or what papers train on the data set."""
    if scale == "paper" and dataset.name in data.adapters():
        return data.adapters()[dataset.name].network
    return "mlp" if dataset.shape[0] == 1 else "cnn"


def fast_precision(network: str, device: torch.device) -> Precision:
    """bf16 where the hardware has it and the network gains by it: the multi-layer perceptron is too small to."""
    # GPUs of a cluster that cannot be asked from here are taken to know bf16.
    there = not torch.cuda.is_available() or torch.cuda.is_bf16_supported()
    fast = there if device.type == "cuda" else knows_bf16()
    return "bf16" if fast and not network.startswith("mlp") else "float32"


class Variant(NamedTuple):
    """A method with some of its settings."""

    method: str
    settings: dict[str, Any]


def variants(given: Sequence[str]) -> dict[str, Variant]:
    """What --methods names, each once, by the name it has in the comparison.

    'all' is every method that debiases, and 'poisoner:p=2,gamma=0' Poisoner with these settings, called 'poisoner p 2 gamma 0'.
    """
    found = {}
    for entry in chain.from_iterable(methods.debiasing() if entry == "all" else [entry] for entry in given):
        method, written = spelt(entry)
        variant = Variant(method, {name: value(text) for name, text in written.items()})
        methods.config(*variant)
        found[" ".join([method, *(f"{name} {text}" for name, text in written.items())])] = variant
    if not found:
        raise ValueError(f"--methods names none; choose from {', '.join(methods.found())}, or all.")
    return found


def spelt(entry: str) -> tuple[str, dict[str, str]]:
    """Name and settings of 'poisoner:p=2,gamma=0'. Raises ValueError for another form."""
    method, _, written = entry.partition(":")
    pairs = [pair.split("=", 1) for pair in written.split(",")] if written else []
    if entry.endswith(":") or not all(len(pair) == 2 for pair in pairs):
        raise ValueError(f"--methods {entry}: write settings as {method}:name=value,name=value.")
    return method, dict(pairs)


def value(text: str) -> Any:
    """A number, true, false or null as JSON has them, else a word."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
