"""Black boxes: each module here has a kind of them."""
