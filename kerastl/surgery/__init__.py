"""Rewrites of a functional graph that carry the weights over."""
