"""What an audit starts from: references, the bias that they have on private data, and their answers to public images."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biasray import data, storage
from biasray.audit import figures, kit
from biasray.audit.figures import Figure, Target
from biasray.audit.study import Pool
from biasray.data.dataset import DataSet
from biasray.engine.answers import answer_all
from biasray.random import rng
from biasray.zoo import store
from pipelines.place import refuse_relative
from pipelines.progress import Progress


@dataclass(frozen=True, kw_only=True)
class References:
    references: tuple[str, ...]
    """Folders or URIs of finished zoos that `pipelines.zoo reference` made."""
    private: str
    """Data that bias is judged on: an imported set of faces with age, gender and race. No reference may have seen it: of the
    set that they learnt from, only what is not its training split is used."""
    probes: str
    """Imported public faces to ask about."""
    target: Target = "age"
    """What models predict: age, judged by the mean absolute error in years, or gender, by the error rate."""
    figure: tuple[str, ...] = ()
    """Figures of bias, such as gender=Male/Female or race=Black (against all). Default: those of the paper in the attributes
    that the references vary in."""
    candidates: int = 1000
    """Public images, drawn at random, among which those to ask about are chosen."""
    seed: int = 0
    """Draws the candidates."""
    without: tuple[str, ...] = ()
    """Kits whose images are not asked about again, so that no provider can learn which they are."""
    answers: str = "runs/answers"
    """Folder or URI where what references answer is kept, so that none is asked about the same images twice."""


class Scored(NamedTuple):
    """What references answer, and what is known of the images."""

    pool: Pool
    error_RP: NDArray[np.float64]  # on private images
    examples_P: pd.DataFrame
    public: DataSet
    rows_N: NDArray[np.int64]  # of the public images


def sources(config: References) -> tuple[list[str], str]:
    """The zoos, and a hash of all that an audit reads. Raises ValueError in a submitted job for relative places."""
    for option, place in (("--private", config.private), ("--probes", config.probes)):
        if place not in data.built_in():
            refuse_relative(option, place)
    for place in config.references:
        refuse_relative("--references", place)
    refuse_relative("--answers", config.answers)
    for place in config.without:
        refuse_relative("--without", place)
    used = [kit.read(place).checksum for place in config.without]
    zoos = [storage.absolute(place) for place in config.references]
    for zoo in zoos:
        store.Zoo(zoo)
    manifests = [storage.read_json(storage.join(zoo, store.MANIFEST))["checksum"] for zoo in zoos]
    return zoos, storage.fingerprint([manifests, data.load(config.private).checksum, data.load(config.probes).checksum, used])


def asked_about(config: References, zoos: list[str]) -> list[Figure]:
    """The figures of bias; raises ValueError for what cannot be estimated from these references and data."""
    private, varied, networks = data.load(config.private), set[str](), set[str]()
    for zoo in zoos:
        index = store.Zoo(zoo).index
        if "attribute" not in index:
            raise ValueError(f"{zoo} holds no references; give the folder that `pipelines.zoo reference` made.")
        for targets in set(index["targets"]):
            if config.target not in targets.split(" and "):
                raise ValueError(f"{zoo} predicts {targets}, not {config.target}; give another --target or --references.")
        varied |= set(index["attribute"])
        networks |= set(index["network"])
    if len(networks) < 2:
        raise ValueError(
            f"All references are of one architecture, {networks.pop()}: nothing would say how far off an estimate is for "
            "another. Give zoos of several --networks."
        )
    for called, dataset in ((config.private, private), (config.probes, data.load(config.probes))):
        if dataset.shape[0] != 3:
            raise ValueError(f"{called} holds no colour images, which the references look at; give faces.")
    given = [figures.figure(text) for text in config.figure]
    found = given or [f for f in figures.published(private.examples) if f.attribute in varied]
    if not found:
        raise ValueError(
            f"{config.private} has no groups of {', '.join(sorted(varied))} that the paper compares; give --figure."
        )
    figures.check(found, config.target, private.examples, config.private)
    return found


def scored(config: References, zoos: list[str]) -> Scored:
    """Ask every reference about the public and the private images."""
    private, public = data.load(config.private), data.load(config.probes)
    index = pd.concat([store.Zoo(zoo).index for zoo in zoos], ignore_index=True)
    index = index.drop_duplicates("id", ignore_index=True)
    rows_P = _unseen(private, index)
    examples_P, found = private.examples.iloc[rows_P], asked_about(config, zoos)
    figures.check(found, config.target, examples_P, f"{config.private}, without what references learnt from,")
    used = {name for place in config.without for name in kit.read(place).ids}
    rows_N = candidates(public, examples_P, used, config.candidates, config.seed)
    answer_RN, answer_RP = (
        _answers(zoos, dataset, rows, config.target, storage.absolute(config.answers), called)
        for dataset, rows, called in ((public, rows_N, "public"), (private, rows_P, "private"))
    )
    error_RP = figures.errors(config.target, answer_RP, examples_P)
    truth_RT = figures.truth(found, error_RP, examples_P)
    whole_R = index["finite"].to_numpy() & np.isfinite(answer_RN).all(1)
    about = index[["id", "network", "bias"]][whole_R].reset_index(drop=True)
    pool = Pool(answer_RN[whole_R], truth_RT[whole_R], found, about, config.target)
    if alike := [f.name for f, truth_R in zip(found, pool.truth_RT.T, strict=True) if np.ptp(truth_R) < 1e-6]:
        raise ValueError(f"All references have the same bias {alike[0]}; make a zoo whose groups vary.")
    return Scored(pool, error_RP[whole_R], examples_P, public, rows_N)


def _unseen(private: DataSet, index: pd.DataFrame) -> NDArray[np.int64]:
    """Rows that no reference was trained on."""
    rows = np.arange(len(private.examples))
    if private.checksum in set(index["data"]):
        return rows[(private.examples["split"] != "train").to_numpy()]
    print(f"The references learnt from another import than {private.name}: all of it counts as unseen by them.")
    return rows


def candidates(public: DataSet, private: pd.DataFrame, used: Collection[str], number: int, seed: int) -> NDArray[np.int64]:
    """Rows of public images, drawn from all that are neither private ones nor used. Raises ValueError where none is left."""
    taken_N = public.examples["hash"].isin(private["hash"]) | public.examples["id"].isin(used)
    free = np.flatnonzero(~taken_N.to_numpy())
    if not len(free):
        raise ValueError(f"Every image of {public.name} is a private one too, or in a kit; give other --probes.")
    return np.sort(rng(seed, "candidates").permutation(free)[:number])


def _answers(
    zoos: list[str], dataset: DataSet, rows: NDArray[np.int64], target: Target, out: str, called: str
) -> NDArray[np.float64]:
    """(R, N) of all zoos, one after another, a member that two of them hold once."""
    parts, seen = list[NDArray[np.float64]](), set[str]()
    for zoo in zoos:
        ids = store.Zoo(zoo).index["id"]
        with Progress(f"members asked about {called} images", "members") as progress:
            found = answer_all(zoo, dataset, rows, out, progress.counted(len(ids)))
        parts.append(found[target][[name not in seen for name in ids]].astype(np.float64))
        seen |= set(ids)
    return np.concatenate(parts)
