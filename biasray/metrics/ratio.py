"""How much worse the worst served fares."""

import numpy as np

from biasray.metrics.counts import Floats


def lowest_over_highest(share: Floats, axis: int) -> Floats:
    """The lowest over the highest along an axis: 0 where nothing is right."""
    highest = share.max(axis)
    return np.asarray(share.min(axis) / np.where(highest > 0, highest, 1))
