"""Command lines, one module each."""

import biasray.engine  # noqa: F401, its settings of Ray must be there before a pipeline imports Ray itself
