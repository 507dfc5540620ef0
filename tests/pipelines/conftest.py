"""Ray reads what this sets when it is imported; floors below the engine are tested without it."""

import biasray.engine  # noqa: F401
