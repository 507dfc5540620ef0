import numpy as np
import pandas as pd

from biasray.audit.disclosure import traced
from biasray.audit.figures import Figure
from biasray.metrics.counts import Floats

FIGURES = [Figure("gender", "Male", "Female"), Figure("race", "Black", "all")]


def faces(number: int) -> pd.DataFrame:
    drawn = np.random.default_rng(0)
    return pd.DataFrame({"gender": drawn.choice(["Male", "Female"], number), "race": drawn.choice(["Black", "White"], number)})


def errors(references: int, number: int) -> Floats:
    """What all references find hard, and what each does by itself."""
    drawn = np.random.default_rng(1)
    return np.abs(drawn.normal(5, 2, number) + drawn.normal(0, 2, (references, number)))


def test_few_references_tell_little_of_who_is_among_many_faces_and_many_tell_of_a_few() -> None:
    little = traced(FIGURES[:1], errors(5, 1500), faces(1500))
    much = traced(FIGURES[:1], errors(100, 300), faces(300))
    assert little is not None
    assert much is not None
    assert (little.images, much.images) == (375, 75)
    assert 0.45 < little.low < little.value < 0.58
    assert much.low > 0.62


def test_another_figure_of_the_same_faces_tells_more() -> None:
    one, two = (traced(FIGURES[:figures], errors(30, 600), faces(600)) for figures in (1, 2))
    assert one is not None
    assert two is not None
    assert two.value > one.value + 0.02


def test_faces_that_no_figure_compares_are_not_among_those_that_might_be_told() -> None:
    one, with_others = faces(600), faces(900).assign(race=["White"] * 600 + ["Black"] * 300)
    error_RP = errors(60, 900)
    plain = traced(FIGURES[:1], error_RP[:, :600], one)
    mixed = traced([Figure("gender", "Male", "Female")], error_RP, with_others.assign(gender=[*one["gender"], *["?"] * 300]))
    assert plain is not None
    assert mixed is not None
    assert mixed.images == plain.images
    assert mixed.value > 0.9 * plain.value


def test_of_too_few_faces_nothing_is_said() -> None:
    assert traced(FIGURES, errors(5, 60), faces(60)) is None
