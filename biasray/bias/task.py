"""A controlled-bias task: which table is trained on, chosen on and tested on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray.bias import label
from biasray.bias.agreement import agreement
from biasray.bias.cells import balanced, cells
from biasray.bias.colour import JITTER, Palette, coloured
from biasray.bias.part import ALL, part
from biasray.data.dataset import SPLITS, DataSet, Split, has_label
from biasray.networks.network import Shape
from biasray.random import rng


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is to be told from an image, and what must not matter."""

    data: str = "digits"
    """A built-in data set (digits, drawn-faces), or the folder or URI of an imported one."""
    target: str | None = None
    """Attribute to predict. Default: the data set's own."""
    bias: str | None = None
    """Attribute that must not matter; 'colour' colours grey digits. Default: the data set's own."""
    align: tuple[str, ...] = ()
    """Which bias values go with which target, such as Male=White (the rest goes with the other target) or Old=40.. ."""
    only: str = ALL
    """Which images are learnt from: all, race=White, or race=White,gender=Male:0.9 (as many as can be had of which nine in ten
    are men). Validation likewise, unless it is balanced."""
    unlearn: tuple[str, ...] = ()
    """Attributes that a method is to unlearn which is told them (jlu). Default: the bias."""
    examples: int | None = None
    """Training examples. Default: as many as the data can give."""
    palette: Palette = "nam"
    """Colours: nam (Nam et al. 2020, debiasing) or kim (Kim et al. 2019, digit zoos)."""
    colour_std: float | None = None
    """Standard deviation of the colour jitter on [0, 1]. Default: the palette's usual one."""
    validation: Literal["biased", "balanced"] = "biased"
    """Validation has the agreement of training, or every group equally often."""
    test: Literal["balanced", "natural"] = "balanced"
    """Test has every group equally often, or is left as it is."""


@final
@dataclass(frozen=True, kw_only=True)
class Task(Question):
    """A question at one level of bias."""

    agreement: float | None = None
    """Share of training examples whose bias value goes with their target; None: the data as they are."""


class Secondary(NamedTuple):
    """An attribute that must not matter, as methods that unlearn it see it."""

    table: pd.DataFrame  # images by which it is learnt, as in Prepared; `target` is its value
    values: tuple[str, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Examples of each value."""
        return tuple(np.bincount(self.table["target"], minlength=len(self.values)).tolist())


@dataclass(frozen=True)
class Prepared:
    """Tables with columns row (of the data set), id, target, bias and, where coloured, red, green and blue."""

    tables: Mapping[Split, pd.DataFrame]
    targets: tuple[str, ...]
    biases: tuple[str, ...]
    shape: Shape  # of the images that a network sees
    aligned: bool  # bias value k goes with target k
    secondary: Mapping[str, Secondary] = field(default_factory=dict)  # by attribute

    def cells(self, split: Split) -> NDArray[np.int64]:
        """(targets, biases) examples of each group."""
        return cells(self.tables[split], len(self.targets), len(self.biases))

    @property
    def share(self) -> float | None:
        """Of the training examples those whose bias goes with their target; None where no bias value is said to."""
        table = self.tables["train"]
        return float((table["target"] == table["bias"]).mean()) if self.aligned else None


def resolve(task: Task, dataset: DataSet) -> Task:
    """The task with nothing left to default but what means 'all'. Raises ValueError where it says what makes no sense."""
    if task.bias is None and not dataset.bias:
        there = ", ".join(dataset.attributes) or "none"
        raise ValueError(f"{dataset.name} has no bias attribute of its own: give a --bias; its attributes are: {there}.")
    bias = dataset.bias if task.bias is None else task.bias
    if task.colour_std is not None and task.colour_std < 0:
        raise ValueError(f"--colour-std must be 0 or more, not {task.colour_std:g}.")
    usual = JITTER[task.palette] if task.colour_std is None else task.colour_std
    std = usual if _is_to_be_coloured(dataset, bias) else None
    fields = {**vars(task), "target": task.target or dataset.target, "bias": bias, "colour_std": std}
    return Task(**fields)


def prepare(dataset: DataSet, task: Task, seed: int) -> Prepared:
    """Bias the data set as a resolved task says. The seed draws training and validation; test is the same for all.

    Raises ValueError for what the data cannot give.
    """
    examples = dataset.examples.assign(row=np.arange(len(dataset.examples)))
    for split in SPLITS:
        if not (examples["split"] == split).any():
            raise ValueError(f"Data set {dataset.name} has no {split} examples; import it again with more images.")
    assert task.target is not None
    assert task.bias is not None
    examples = _only(examples, task, seed)
    if _is_to_be_coloured(dataset, task.bias):
        prepared = _coloured(dataset, task, label.targets(examples, task.target, dataset.attributes), seed)
    else:
        labelled = label.attributes(examples, task.target, task.bias, task.align, dataset.attributes)
        prepared = _by_attribute(dataset, task, labelled, seed)
    names = task.unlearn or (task.bias,)
    return replace(prepared, secondary={name: _secondary(name, prepared, task, dataset) for name in names})


def _only(examples: pd.DataFrame, task: Task, seed: int) -> pd.DataFrame:
    """Without the images that are not to be learnt from."""
    if task.only == ALL:
        return examples
    parts: tuple[Split, ...] = ("train", "validation") if task.validation == "biased" else ("train",)
    kept_N = ~examples["split"].isin(parts).to_numpy()
    for split in parts:
        kept_N[part(examples, task.only, rng(seed, "only", split), split)] = True
    if task.target in examples:
        value_N = examples[task.target][has_label(examples[task.target])]
        for split in parts:
            here = value_N[examples["split"] == split]
            if lost := set(here) - set(here[kept_N[here.index]]):
                first, what = sorted(map(str, lost))[0], "training" if split == "train" else split
                raise ValueError(f"--only {task.only} leaves no {what} image of {first}, one of the classes; leave some in.")
    return examples[kept_N]


def _secondary(name: str, prepared: Prepared, task: Task, dataset: DataSet) -> Secondary:
    train = prepared.tables["train"]
    if name == task.bias:
        return Secondary(train.assign(target=train["bias"]), prepared.biases)
    if name == task.target:
        raise ValueError(f"--unlearn {name}: it is what is to be learnt; choose another attribute.")
    labelled = label.targets(train, name, dataset.attributes, "attribute to unlearn")
    return Secondary(labelled.examples, labelled.targets)


def _is_to_be_coloured(dataset: DataSet, bias: str) -> bool:
    """Whether the bias is a colour that we put in; images that come coloured have it as an attribute."""
    return bias == "colour" and "colour" not in dataset.attributes


def _coloured(dataset: DataSet, task: Task, labelled: label.Labelled, seed: int) -> Prepared:
    if dataset.shape[0] != 1:
        raise ValueError(
            f"Only grey images can be coloured, and {dataset.name} has colours; "
            f"choose a --bias of: {', '.join(dataset.attributes)}."
        )
    if task.agreement is None:
        raise ValueError("Coloured digits need an --agreement, such as 0.95: the share that has its digit's own colour.")
    if task.align:
        raise ValueError("--align has no effect on colours: digit k goes with colour k; leave it out.")
    if task.test == "natural":
        raise ValueError("Grey digits have no natural colours, so --test natural has no meaning here; leave it out.")
    shares: dict[Split, float | None] = {
        "train": task.agreement,
        "validation": task.agreement if task.validation == "biased" else None,
        "test": None,
    }
    tables, targets = {}, len(labelled.targets)
    for split, share in shares.items():
        table = labelled.examples[labelled.examples["split"] == split].reset_index(drop=True)
        drawn = rng("test") if split == "test" else rng(seed, split)
        if split == "train" and task.examples is not None:
            table = _fewer(table, task.examples, drawn)
        tables[split] = coloured(table, targets, share, drawn, task.palette, task.colour_std)
    if targets > 1 and task.agreement < 1 and not (tables["train"]["target"] != tables["train"]["bias"]).any():
        raise ValueError(
            f"Agreement {task.agreement:g} leaves no conflicting example among {len(tables['train']):,}; "
            "lower it or use more data."
        )
    names = tuple(f"colour {name}" for name in (*labelled.targets, *map(str, range(targets, 10))))
    return Prepared(tables, labelled.targets, names, (3, *dataset.shape[1:]), True)


def _by_attribute(dataset: DataSet, task: Task, labelled: label.Labelled, seed: int) -> Prepared:
    targets, biases = len(labelled.targets), len(labelled.biases)
    aligned = bool(task.align) or targets == biases == 2 or labelled.targets == labelled.biases
    if task.agreement is None and not task.align:
        pairs = label.paired(labelled)
        labelled, aligned = pairs or labelled, pairs is not None
    if task.agreement is not None and not aligned:
        raise ValueError(
            f"An agreement between {task.target} ({targets} values) and {task.bias} ({biases} values) needs a map: "
            f"give --align, such as {labelled.targets[0]}={labelled.biases[0]}."
        )
    tables: dict[Split, pd.DataFrame] = {}
    for split in SPLITS:
        table = labelled.examples[labelled.examples["split"] == split].reset_index(drop=True)
        drawn = rng("test") if split == "test" else rng(seed, split)
        size = task.examples if split == "train" else None
        even = (split, "balanced") in {("test", task.test), ("validation", task.validation)}
        try:
            if even:
                table = balanced(table, targets, biases, drawn)
            elif task.agreement is not None and split != "test":
                table = agreement(table, targets, biases, task.agreement, drawn, size)
            elif size is not None:
                table = _fewer(table, size, drawn)
        except ValueError as error:
            raise ValueError(
                f"{split} split of {dataset.name}: {error} "
                f"(targets: {_listed(labelled.targets)}; bias: {_listed(labelled.biases)})"
            ) from error
        tables[split] = table
    return Prepared(tables, labelled.targets, labelled.biases, dataset.shape, aligned)


def _fewer(table: pd.DataFrame, size: int, drawn: np.random.Generator) -> pd.DataFrame:
    if not 1 <= size <= len(table):
        raise ValueError(f"{size:,} training examples cannot be had: there are {len(table):,}; ask for fewer.")
    return table.iloc[np.sort(drawn.choice(len(table), size, replace=False))].reset_index(drop=True)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"{i} {name}" for i, name in enumerate(names))
