"""Seven figures of each layer's weights and biases, and a classifier of tables (Unterthiner et al. 2020).

Beside them `invariants`, ours: figures of the whole network that no order of units changes.
"""

from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from biasray.networks.layout import Layout
from biasray.weights.features import Invariants, Statistics

TREES = 500


def _logistic(layout: Layout, seed: int) -> Pipeline:
    return make_pipeline(Statistics(layout), StandardScaler(), LogisticRegression(max_iter=2000))


def _forest(layout: Layout, seed: int) -> Pipeline:
    return make_pipeline(Statistics(layout), RandomForestClassifier(TREES, random_state=seed))


def _boosting(layout: Layout, seed: int) -> Pipeline:
    return make_pipeline(Statistics(layout), HistGradientBoostingClassifier(random_state=seed))


def _invariants(layout: Layout, seed: int) -> Pipeline:
    features = make_union(Statistics(layout), Invariants(layout))
    return make_pipeline(features, RandomForestClassifier(TREES, random_state=seed))


DETECTORS = {
    "statistics-logistic": _logistic,
    "statistics-forest": _forest,
    "statistics-boosting": _boosting,
    "invariants-forest": _invariants,
}
