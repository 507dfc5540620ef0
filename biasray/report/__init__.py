"""From the predictions of many cells to rows with intervals, and from rows to one page."""
