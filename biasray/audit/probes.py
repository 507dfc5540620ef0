"""Which images to ask a model about. Axes: R reference, N image to ask about, T figure of bias, E as in `embedding`."""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import MultiTaskLasso

from biasray.audit.embedding import Embedding, Floats, Standard
from biasray.audit.solver import descend, penalty
from biasray.random import rng

Order = NDArray[np.int64]  # (N,) images, the one to ask about first at the front
PATH = 20  # penalties, from the smallest to the largest
SPAN = 1e-3  # of the largest: the smallest


def by_embedding(estimator: Embedding, X: Floats, y: Floats) -> Order:
    """Last the image whose column of W is the first to vanish as the L2,1 penalty rises.

    Of those that vanish together the longest comes first. The figures share a column, so they ask about the same images.
    """
    answer_RN, y_RT = Standard(X)(X), Standard(np.reshape(y, (len(y), -1)))(np.reshape(y, (len(y), -1)))
    loss, w_EN = estimator.objective(answer_RN, y_RT), estimator.start(answer_RN, y_RT)
    most = y_RT.shape[1] / penalty(w_EN)  # the loss of W = 0 is T
    stays_N, length_N = np.zeros(X.shape[1]), w_EN.norm(dim=0).numpy()
    for weight in np.geomspace(SPAN * most, most, PATH):
        w_EN = descend(loss, w_EN, weight, estimator.steps)
        norm_N = w_EN.norm(dim=0).numpy()
        stays_N += norm_N > 0
        length_N = np.where(norm_N > 0, norm_N, length_N)
        if not norm_N.any():
            break
    return np.lexsort((-length_N, -stays_N))


def by_lasso(X: Floats, y: Floats) -> Order:
    """The control: images in the order in which the lasso of all figures takes them, as its penalty falls."""
    answer_RN, y_RT = (Standard(known)(known).double().numpy() for known in (X, np.reshape(y, (len(y), -1))))
    most = np.linalg.norm(answer_RN.T @ y_RT, axis=1).max() / len(answer_RN)
    lasso, stays_N, length_N = (
        MultiTaskLasso(warm_start=True, fit_intercept=False, tol=1e-3, max_iter=10_000),
        np.zeros(X.shape[1]),
        np.zeros(0),
    )
    for weight in np.geomspace(most, SPAN * most, PATH)[1:]:
        length_N = np.linalg.norm(lasso.set_params(alpha=weight).fit(answer_RN, y_RT).coef_, axis=0)
        stays_N += length_N > 0
    return np.lexsort((-length_N, -stays_N))


def at_random(X: Floats, seed: int) -> Order:
    return rng(seed, "probes").permutation(X.shape[1])
