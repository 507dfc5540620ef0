"""Reading bias from the weights of networks."""
