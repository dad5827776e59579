import numpy as np

from kerastl import LearningRateSearch
from kerastl.apps.report.plots import plot_learning_rates


def test_the_suggestion_is_marked():
    rates = np.geomspace(1e-5, 1, 20).tolist()
    losses = np.linspace(2, 1, 20).tolist()
    plots = {
        plot_learning_rates(LearningRateSearch(rates, losses, suggestion))
        for suggestion in (0.01, 0.02)
    }
    assert len(plots) == 2
    for plot in plots:
        assert plot.startswith("<svg") and "Loss by learning rate" in plot
