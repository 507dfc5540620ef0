"""What was foreseen of adaptations beside what happened."""

import numpy as np
import pandas as pd
import pytest

from biasray.adaptation.guard import Expected, Outlook
from biasray.report import adapt_guard, adapt_map, adapt_page
from biasray.report.adapt_guard import HARMED, HELPED, UNCLEAR, foreseen, happened
from biasray.report.adapt_rows import Key, rows

CLASSES = ("Female", "Male")
TARGET_N = np.resize([0, 1], 1000)
WRONG = {"down": 300, "same": 200, "up": 50}  # of the women; of the start model 200


def said(wrong: int, seed: int) -> np.ndarray:
    women = np.random.default_rng(seed).permutation(np.flatnonzero(TARGET_N == 0))
    out = TARGET_N.copy()
    out[women[:wrong]] = 1
    return out


def outlook(word: str, change: float) -> Outlook:
    return Outlook(
        word=word,  # type: ignore[arg-type]
        because=(f"it is {word}",),
        kept_K=np.ones(2),
        start_K=np.ones(2),
        after_K=np.ones(2),
        accuracy=Expected(change, change - 0.1, change + 0.1),
        ratio=Expected(2 * change, 2 * change - 0.1, 2 * change + 0.1),
        known=50,
    )


def made(starts: dict[str, int], pools: tuple[str, ...]) -> tuple[list, dict]:
    """Rows, and what was foreseen rightly, of start models with so many seeds."""
    found, guard = {}, {}
    for start, seeds in starts.items():
        for pool in pools:
            for method, wrong in WRONG.items():
                key = Key(start, pool, method)
                tables = [
                    pd.DataFrame({"id": range(1000), "target": TARGET_N, "started": said(200, s), "predicted": said(wrong, s)})
                    for s in range(seeds)
                ]
                found[key] = tables
                word = {"down": "will harm", "same": "risky", "up": "works"}[method]
                guard[key] = foreseen([outlook(word, (200 - wrong) / 1000)] * seeds)
    return rows("there", found, CLASSES), guard


def test_what_happened_stands_beside_what_was_foreseen() -> None:
    all_rows, guard = made({"0.5": 3, "0.9": 1}, ("all", "women", "men"))
    keys = {method: Key("0.5", "all", method) for method in WRONG}
    assert [happened(all_rows, keys[method]) for method in WRONG] == [HARMED, UNCLEAR, HELPED]
    table = {line["foreseen"]: line for line in adapt_guard.table(all_rows, guard)}
    assert table["works"] == {"foreseen": "works", "ways": 6, HELPED: 6, UNCLEAR: 0, HARMED: 0}
    assert table["all"] == {"foreseen": "all", "ways": 18, HELPED: 6, UNCLEAR: 6, HARMED: 6}
    for value, low, high in adapt_guard.correlation(all_rows, guard).values():
        assert low <= value <= high
        assert value > 0.95


def test_nothing_correlates_with_what_does_not_vary_and_few_pairs_tell_nothing() -> None:
    all_rows, guard = made({"0.5": 1, "0.9": 1}, ("all", "women", "men"))
    same = {key: one._replace(accuracy=Expected(0, 0, 0), ratio=Expected(0, 0, 0)) for key, one in guard.items()}
    assert adapt_guard.correlation(all_rows, same) == {}
    assert adapt_guard.correlation(*made({"0.5": 1}, ("all", "women"))) == {}


def test_the_middle_word_of_the_seeds_is_shown_with_its_reason() -> None:
    found = foreseen([outlook("works", 0.1), outlook("will harm", -0.1), outlook("risky", 0.03)])
    assert found.word == "risky"
    assert found.because == ("it is risky",)
    assert found.accuracy.value == pytest.approx(0.01)
    assert found.accuracy.low == pytest.approx(-0.09)
    assert found.seeds == 3


def test_a_page_of_several_levels_shows_maps_and_each_levels_seeds() -> None:
    all_rows, guard = made({"0.5": 3, "0.9": 1}, ("all", "women"))
    sizes = {"all": 10, "women": 5}
    about = {"command": "c", "date": "d", "hardware": "h", "versions": {}}
    page = adapt_page.render(all_rows, CLASSES, sizes, guard, {}, [], about)
    assert "learnt from 0.5, 3 seeds" in page
    assert "learnt from 0.9, 1 seed" in page
    keys = list(guard)
    svg = adapt_map.phases(all_rows, keys, guard)
    assert svg.count("<image") == 6  # two rows of three ways to adapt
    assert adapt_map.phases(all_rows, [key for key in keys if key.start == "0.5"], guard).count("<image") == 2
