"""The live page: a model in one HTML file that a browser opens."""
