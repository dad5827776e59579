"""One run: training, measuring, exporting, one folder."""
