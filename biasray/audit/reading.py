"""How a number is found in what a model answers: the age in years, or the probability of one gender."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

from biasray.audit.figures import Target

Kind = Literal["number", "bins", "band", "probability", "percentage", "label"]
FAIRFACE = (1.5, 6.5, 15.0, 25.0, 35.0, 45.0, 55.0, 65.0, 75.0)  # middle of each of its nine bins, in years
MEN = ("male", "man", "men", "m", "boy")
WOMEN = ("female", "woman", "women", "f", "w", "girl")
OLDEST = 130
OPEN = 5  # years above the lower end of a band without an upper one


@final
@dataclass(frozen=True, kw_only=True)
class Reading:
    """Where an answer has its number, and what that means."""

    field: str = ""
    """Names and places that lead to it, such as faces.0.age; empty: the whole answer."""
    kind: Kind = "number"
    """number: an age in years. bins: a probability for each bin of ages, read as the expected age. band: such as 30-39 or
    (25, 32). probability, percentage: that the face is a man's, or a list of two, of which the last is. label: the gender."""
    bins: tuple[float, ...] = FAIRFACE
    """Years that each bin stands for."""
    scale: float = 1.0
    """A number times this, and `shift` more, is the age in years: 20 and 35 for this project's own age regressors."""
    shift: float = 0.0
    flipped: bool = False
    """The probability is a woman's, the first of two is a man's, or labels are exchanged."""

    def __post_init__(self) -> None:
        if self.flipped and self.target == "age":
            raise ValueError(f"--flipped is of genders; leave it out for --kind {self.kind}.")

    @property
    def target(self) -> Target:
        return "age" if self.kind in ("number", "bins", "band") else "gender"

    def __call__(self, answer: Any) -> float:
        """Years, or the probability of a man. Raises ValueError for an answer that has no such number."""
        found = self._found(answer)
        match self.kind:
            case "number":
                return _within(self.scale * _number(found) + self.shift, 0, OLDEST, "age")
            case "bins":
                return self._expected(found)
            case "band":
                return _band(found)
            case "label":
                p = _man(found)
            case "probability":
                p = _within(self._of_a_man(found), 0, 1, "probability")
            case "percentage":
                p = _within(self._of_a_man(found), 0, 100, "percentage") / 100
        return 1 - p if self.flipped else p

    def _found(self, answer: Any) -> Any:
        at = answer
        for name in filter(None, self.field.split(".")):
            try:
                at = at[int(name)] if isinstance(at, Sequence) and not isinstance(at, str) else at[name]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                there = f"; it has {', '.join(map(str, at))}" if isinstance(at, Mapping) else ""
                raise ValueError(f"the answer {_short(answer)} has nothing at '{self.field}'{there}") from error
        return at

    def _expected(self, found: Any) -> float:
        if not isinstance(found, Sequence) or len(found) != len(self.bins):
            raise ValueError(f"{_short(found)} is no list of {len(self.bins)} probabilities, one for each of the bins")
        p = [_number(x) for x in found]
        if min(p) < 0 or not 0 < sum(p) < math.inf:
            raise ValueError(f"{_short(found)} are no probabilities")
        return sum(x * age for x, age in zip(p, self.bins, strict=True)) / sum(p)

    def _of_a_man(self, found: Any) -> float:
        if isinstance(found, Sequence) and not isinstance(found, str):
            if len(found) != 2:
                raise ValueError(f"{_short(found)} are not two probabilities")
            found = found[1]
        return _number(found)


def _number(found: Any) -> float:
    try:
        number = float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{_short(found)} is no finite number")
    return number


def _within(number: float, low: float, high: float, called: str) -> float:
    if not low <= number <= high:
        raise ValueError(f"{number:g} is no {called} from {low} to {high}")
    return number


def _band(found: Any) -> float:
    ends = [int(digits) for digits in re.findall(r"\d+", str(found))]
    if len(ends) == 2 and ends[0] <= ends[1] <= OLDEST:
        return (ends[0] + ends[1] + 1) / 2
    if len(ends) == 1 and ends[0] <= OLDEST and str(found).strip() != str(ends[0]):
        return float(ends[0] + OPEN)
    raise ValueError(f"{_short(found)} is no band of ages, such as 30-39, (25, 32) or 'more than 70'")


def _man(found: Any) -> float:
    text = str(found).strip().lower()
    if text not in MEN + WOMEN:
        raise ValueError(f"{_short(found)} is no gender, such as Male or Woman")
    return float(text in MEN)


def _short(answer: Any) -> str:
    text = repr(answer)
    return text if len(text) <= 60 else f"{text[:57]}..."
