import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from biasray.bias.label import Labelled, attributes, paired, targets

FACES = pd.DataFrame(
    {
        "id": [f"{i}.jpg" for i in range(6)],
        "gender": ["Male", "Female", "Male", "Female", "Male", "Female"],
        "race": ["White", "Black", "Asian", "White", "Indian", "Asian"],
        "smile": ["yes", "no", "no", "yes", "yes", "no"],
        "age": [15, 16, 35, 39, 40, 70],
        "planet": ["Earth"] * 6,
    }
)
KNOWN = ["gender", "race", "smile", "age", "planet"]


def labelled(target: str, bias: str, *align: str, faces: pd.DataFrame = FACES) -> Labelled:
    return attributes(faces, target, bias, align, KNOWN)


def test_targets_are_coded_in_alphabetical_order_whatever_the_order_of_rows() -> None:
    for faces in (FACES, FACES.iloc[::-1]):
        got = targets(faces, "gender", KNOWN)
        assert got.targets == ("Female", "Male")
        np.testing.assert_array_equal(got.examples["target"], faces["gender"] == "Male")
        assert got.examples["target"].dtype == np.int64
    assert targets(FACES, "race", KNOWN).targets == ("Asian", "Black", "Indian", "White")


def test_two_values_of_each_go_together_in_alphabetical_order() -> None:
    got = labelled("gender", "smile")
    assert (got.targets, got.biases) == (("Female", "Male"), ("no", "yes"))
    np.testing.assert_array_equal(got.examples["bias"], FACES["smile"] == "yes")


def test_more_values_without_a_map_are_the_attributes_own() -> None:
    got = labelled("gender", "race")
    assert got.biases == ("Asian", "Black", "Indian", "White")
    np.testing.assert_array_equal(got.examples["bias"], [3, 1, 0, 3, 2, 0])


def test_a_map_gives_one_target_its_values_and_the_other_the_rest() -> None:
    got = labelled("gender", "race", "Male=White")
    np.testing.assert_array_equal(got.examples["bias"], [1, 0, 0, 1, 0, 0])  # 1 is Male's, 0 Female's
    assert got.biases == ("race other", "race White")


def test_an_example_is_aligned_where_its_two_codes_are_equal() -> None:
    examples = labelled("gender", "race", "Male=White").examples
    aligned = examples["target"] == examples["bias"]
    men, white = FACES["gender"] == "Male", FACES["race"] == "White"
    np.testing.assert_array_equal(aligned, men == white)


def test_a_map_takes_several_values_and_both_targets() -> None:
    got = labelled("gender", "race", "Male=White,Black", "Female=Asian,Indian")
    np.testing.assert_array_equal(got.examples["bias"], [1, 1, 0, 1, 0, 0])
    assert got.biases == ("race Asian,Indian", "race White,Black")


def test_a_map_for_one_of_three_targets_needs_a_second() -> None:
    three = FACES[FACES["race"] != "Black"]
    age = three["age"].median()
    got = attributes(three, "race", "age", [f"White=..{age}", f"Asian={age + 1}.."], KNOWN)
    assert got.targets == ("Asian", "Indian", "White")
    assert got.biases == (f"age {age + 1}..", "age other", f"age ..{age}")
    assert set(got.examples["bias"]) == {0, 1, 2}
    with pytest.raises(ValueError, match=r"leaves 'age' .* to no target; name every target but one"):
        attributes(three, "race", "age", [f"White=..{age}"], KNOWN)


@pytest.mark.parametrize(
    ("align", "female"),
    [
        (["Female=..40"], [1, 1, 1, 1, 0, 0]),  # the upper bound is not included
        (["Female=40.."], [0, 0, 0, 0, 1, 1]),  # the lower bound is
        (["Female=16..40"], [0, 1, 1, 1, 0, 0]),
        (["Male=16..39"], [1, 0, 0, 1, 1, 1]),
        (["Female=..40", "Male=40.."], [1, 1, 1, 1, 0, 0]),
        (["Female=..15.5"], [1, 0, 0, 0, 0, 0]),
    ],
)
def test_ranges_of_a_number_include_their_low_end_only(align: Sequence[str], female: list[int]) -> None:
    got = labelled("gender", "age", *align)
    np.testing.assert_array_equal(got.examples["bias"] == 0, female)


BAD = [
    ("gender", "hair", (), "no attribute 'hair' to take as bias; the data set has: gender, race, smile, age, planet"),
    ("hair", "race", (), "no attribute 'hair' to take as target; the data set has: gender"),
    ("id", "race", (), "no attribute 'id' to take as target"),
    ("gender", "planet", (), r"'planet' has one value only \(Earth\), so it cannot be the bias; choose another"),
    ("planet", "race", (), r"'planet' has one value only \(Earth\), so it cannot be the target; choose another"),
    ("gender", "gender", (), "both 'gender'; choose two attributes"),
    ("age", "gender", (), "'age' is a number: choose one with named values as the target"),
    ("gender", "age", (), r"'age' is a number: split it by a map, such as --align A=\.\.40"),
    ("gender", "race", ("White",), "--align White is not TARGET=VALUE with a target of Female, Male"),
    ("gender", "race", ("Male=",), "--align Male= is not TARGET=VALUE"),
    ("gender", "race", ("=White",), "--align =White is not TARGET=VALUE"),
    ("gender", "race", ("Man=White",), "--align Man=White is not TARGET=VALUE with a target of Female, Male"),
    ("gender", "race", ("Male=White", "Male=Black"), "names Male twice; separate its values by commas"),
    ("gender", "race", ("Male=white",), "'race' has no value 'white'; it has: Asian, Black, Indian, White"),
    ("gender", "race", ("Male=White,",), "'race' has no value ''; it has: Asian"),
    (
        "gender",
        "race",
        ("Male=White,Asian", "Female=Asian,Black"),
        "some values of 'race' to two targets; give each value once",
    ),
    ("gender", "race", ("Male=White", "Female=Asian"), "leaves 'race' Black, Indian to no target; name every target but one"),
    ("race", "gender", ("White=Male",), "leaves 'gender' Female to no target; name every target but one"),
    ("gender", "age", ("Male=..40", "Female=39.."), "some values of 'age' to two targets"),
    ("gender", "age", ("Male=..40", "Female=50.."), "leaves 'age' 40 to no target"),
    ("gender", "age", ("Male=40",), r"'age' is a number, so give a range such as 16\.\.36"),
    ("gender", "age", ("Male=old..",), r"'age' is a number, so give a range such as 16\.\.36"),
    ("gender", "age", ("Male=80..",), r"Male=80\.\. matches no example; 'age' is 15 to 70"),
    ("gender", "age", ("Male=40..16",), r"Male=40\.\.16 matches no example; 'age' is 15 to 70"),
]


@pytest.mark.parametrize(("target", "bias", "align", "sentence"), BAD)
def test_what_cannot_be_labelled_gives_one_sentence(target: str, bias: str, align: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        labelled(target, bias, *align)
    assert "\n" not in str(caught.value)
    assert not re.search(r"[a-z]\. ", str(caught.value))


def test_labelling_leaves_the_table_given_as_it_was() -> None:
    before = FACES.copy(deep=True)
    labelled("gender", "race", "Male=White")
    targets(FACES, "gender", KNOWN)
    pd.testing.assert_frame_equal(FACES, before)


def test_labels_follow_their_rows_whatever_index_and_columns_a_table_has() -> None:
    other = FACES.sample(frac=1, random_state=0)[["age", "race", "planet", "gender", "smile", "id"]]
    for align, bias in ((("Male=White",), "race"), ((), "race"), (("Female=..40",), "age")):
        got = labelled("gender", bias, *align, faces=other).examples.set_index("id")
        expected = labelled("gender", bias, *align).examples.set_index("id")
        pd.testing.assert_frame_equal(got.loc[expected.index][["target", "bias"]], expected[["target", "bias"]])


def test_a_map_that_leaves_a_bias_group_empty_is_refused() -> None:
    examples = pd.DataFrame({"gender": ["Male", "Female"] * 5, "age": range(20, 30)})
    with pytest.raises(ValueError, match="leaves no example for the bias group of Male"):
        attributes(examples, "gender", "age", ["Female=.."], ["gender", "age"])


def natural(cells: list[list[int]]) -> Labelled:
    """Two attributes of yes and no, by target and bias, in a training split; the test split has every group equally often."""
    rows = [(("no", "yes")[t], ("no", "yes")[b], "train") for t in (0, 1) for b in (0, 1) for _ in range(cells[t][b])]
    rows += [(t, b, "test") for t in ("no", "yes") for b in ("no", "yes") for _ in range(500)]
    examples = pd.DataFrame(rows, columns=["Blond_Hair", "Male", "split"])
    return attributes(examples, "Blond_Hair", "Male", (), ["Blond_Hair", "Male"])


def test_in_data_as_they_are_the_values_that_go_together_are_those_that_occur_together_in_training() -> None:
    """Blond is rarely male, and most who are not blond are not either: it is shares that count."""
    found = paired(natural([[428, 407], [149, 16]]))
    assert found is not None
    assert (found.targets, found.biases) == (("no", "yes"), ("yes", "no"))
    train = found.examples[found.examples["split"] == "train"]
    assert ((train["target"] == train["bias"]) == (train["Blond_Hair"] != train["Male"])).all()
    other = paired(natural([[400, 100], [100, 400]]))
    assert other is not None
    assert other.biases == ("no", "yes")


def test_where_nothing_goes_together_nothing_is_paired() -> None:
    assert paired(natural([[100, 100], [50, 50]])) is None


def test_examples_without_a_label_are_left_out() -> None:
    faces = FACES.assign(gender=["Male", "", *FACES["gender"][2:]], age=[15, 16, np.nan, 39, 40, 70])
    assert list(targets(faces, "gender", KNOWN).examples["id"]) == [f"{i}.jpg" for i in (0, 2, 3, 4, 5)]
    got = labelled("gender", "age", "Male=..40", faces=faces)
    assert list(got.examples["id"]) == [f"{i}.jpg" for i in (0, 3, 4, 5)]
    np.testing.assert_array_equal(got.examples["bias"], [1, 1, 0, 0])
    assert labelled("gender", "smile", faces=faces).targets == ("Female", "Male")
    with pytest.raises(ValueError, match=r"Attribute 'gender' has one value only \(\), so it cannot be the target"):
        targets(FACES.assign(gender=""), "gender", KNOWN)
