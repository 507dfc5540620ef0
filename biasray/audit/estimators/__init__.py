"""What estimates the bias of a model from its answers, by name: each module here has some, in its ESTIMATORS.

All are scikit-learn regressors from answers (R, N) to bias (R,) or (R, T).
"""

import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from biasray.discovery import named, tabled

Maker = Callable[[], Any]


@cache
def found() -> Mapping[str, Maker]:
    """All estimators by name."""
    return tabled(sys.modules[__name__], "ESTIMATORS")


def known(name: str) -> Maker:
    """The maker of this name; raises ValueError for one that there is not."""
    return named(found(), name, "estimator")
