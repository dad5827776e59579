"""Networks, ready to build, and the weights they load."""
