"""The control: ridge regression of bias on answers (Hoerl and Kennard 1970), its penalty by leaving one reference out."""

from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from biasray.audit.embedding import ALPHAS


def _ridge() -> Pipeline:
    return make_pipeline(StandardScaler(), RidgeCV(ALPHAS))


ESTIMATORS = {"ridge": _ridge}
