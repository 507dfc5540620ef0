"""Which column is the target, which the bias, and which of their values go together.

After labelling a table has int columns `target` and `bias`. Where the two are aligned by a map, bias value k is
the one that goes with target k, so that an example is aligned where its two codes are equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from biasray.bias.cells import cells, goes_with
from biasray.data.dataset import has_label


@dataclass(frozen=True)
class Labelled:
    examples: pd.DataFrame
    targets: tuple[str, ...]
    biases: tuple[str, ...]


def attribute(examples: pd.DataFrame, name: str, role: str, known: Sequence[str]) -> pd.Series:
    """The attribute of those examples of which it is known."""
    if name not in known:
        missing = f"There is no attribute '{name}'" if name else "An attribute must be named"
        raise ValueError(f"{missing} to take as {role}; the data set has: {', '.join(known) or 'none'}.")
    column = examples[name][has_label(examples[name])]
    if column.nunique() < 2:
        raise ValueError(
            f"Attribute '{name}' has one value only ({', '.join(map(str, column[:1]))}), so it cannot be the {role}; "
            "choose another."
        )
    return column


def _categories(column: pd.Series, role: str) -> tuple[str, ...]:
    if pd.api.types.is_numeric_dtype(column):
        raise ValueError(
            f"Attribute '{column.name}' is a number: "
            + (
                "split it by a map, such as --align A=..40"
                if role == "bias"
                else f"choose one with named values as the {role}."
            )
        )
    return tuple(sorted(column.unique()))


def targets(examples: pd.DataFrame, target: str, known: Sequence[str], role: str = "target") -> Labelled:
    """Label what is to be learnt alone: the target of data whose bias is put into the images (colour), or another attribute.

    Examples without a label are left out.
    """
    column = attribute(examples, target, role, known)
    names = _categories(column, role)
    code = column.map({n: i for i, n in enumerate(names)}).astype(np.int64)
    return Labelled(examples.loc[column.index].assign(target=code), names, ())


def attributes(examples: pd.DataFrame, target: str, bias: str, align: Sequence[str], known: Sequence[str]) -> Labelled:
    """Label target and bias by two attributes.

    `align` holds entries TARGET=VALUE[,VALUE...] or, for numbers, TARGET=LOW..HIGH (LOW included, HIGH not; either
    may be left out): those bias values go with that target and become one bias group. One target may be left out
    and gets the rest. Without a map two values of each are taken in alphabetical order; with more values the bias
    groups are the attribute's own and nothing is aligned. Examples without one of the labels are left out. The bias '' is none:
    all examples are of one group.
    """
    labelled = targets(examples, target, known)
    if not bias:
        return Labelled(labelled.examples.assign(bias=0), labelled.targets, ("all",))
    column = attribute(labelled.examples, bias, "bias", known)
    examples = labelled.examples.loc[column.index]
    if bias == target:
        raise ValueError(f"Target and bias are both '{target}'; choose two attributes.")
    if not align:
        names = _categories(column, "bias")
        code = column.map({n: i for i, n in enumerate(names)})
        return Labelled(examples.assign(bias=code.astype(np.int64)), labelled.targets, names)
    chosen = _parse(align, labelled.targets)
    code_N, groups = np.full(len(column), -1), [""] * len(labelled.targets)
    for t, text in chosen.items():
        mask, groups[t] = matches(column, text, f"--align {labelled.targets[t]}={text}"), f"{bias} {text}"
        if (code_N[mask] >= 0).any():
            raise ValueError(f"The map {' '.join(align)} gives some values of '{bias}' to two targets; give each value once.")
        code_N[mask] = t
    rest = [t for t in range(len(labelled.targets)) if t not in chosen]
    if len(rest) == 1:
        code_N[code_N < 0] = rest[0]
        groups[rest[0]] = f"{bias} other"
    if (code_N < 0).any() or len(rest) > 1:
        left = ", ".join(map(str, sorted(column[code_N < 0].unique())[:5]))
        raise ValueError(f"The map {' '.join(align)} leaves '{bias}' {left} to no target; name every target but one.")
    for t, name in enumerate(labelled.targets):
        if not (code_N == t).any():
            raise ValueError(f"The map {' '.join(align)} leaves no example for the bias group of {name}; narrow the others.")
    return Labelled(examples.assign(bias=code_N), labelled.targets, tuple(groups))


def paired(labelled: Labelled) -> Labelled | None:
    """The same, its bias values in such an order that value k goes with target k in training; None where they are not pairs."""
    targets, biases = len(labelled.targets), len(labelled.biases)
    if targets != biases:
        return None
    train = labelled.examples[labelled.examples["split"] == "train"]
    target_B = goes_with(cells(train, targets, biases))
    if target_B is None:
        return None
    examples = labelled.examples.assign(bias=target_B[labelled.examples["bias"]])
    return Labelled(examples, labelled.targets, tuple(labelled.biases[b] for b in target_B.argsort()))


def _parse(align: Sequence[str], targets: tuple[str, ...]) -> dict[int, str]:
    chosen: dict[int, str] = {}
    for entry in align:
        name, equals, text = entry.partition("=")
        if not equals or not text or name not in targets:
            raise ValueError(f"--align {entry} is not TARGET=VALUE with a target of {', '.join(targets)}.")
        if targets.index(name) in chosen:
            raise ValueError(f"--align names {name} twice; separate its values by commas.")
        chosen[targets.index(name)] = text
    return chosen


def matches(column: pd.Series, text: str, given: str) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(column):
        low, dots, high = text.partition("..")
        try:
            bounds = float(low or "-inf"), float(high or "inf")
        except ValueError:
            dots = ""
        if not dots:
            raise ValueError(f"{given}: '{column.name}' is a number, so give a range such as 16..36.")
        mask = (column >= bounds[0]) & (column < bounds[1])
    else:
        values = text.split(",")
        for value in values:
            if value not in set(column):
                raise ValueError(f"'{column.name}' has no value '{value}'; it has: {', '.join(sorted(column.unique()))}.")
        mask = column.isin(values)
    if not mask.any():
        raise ValueError(f"{given} matches no example; '{column.name}' is {column.min()} to {column.max()}.")
    return np.asarray(mask)
