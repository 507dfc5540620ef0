"""Where an image shows an attribute: a classifier of patches, its maps, and what is hidden by them."""
