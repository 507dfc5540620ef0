"""biasray finds, measures and removes bias in vision models. The floors are drawn in the README."""
