"""The report of a run, as a page and as tables."""

from kerastl.takes_keras import TAKES_KERAS

if TAKES_KERAS:
    from kerastl.apps.report.plots import draw_diagnosis
    from kerastl.apps.report.write_model_card import write_model_card
    from kerastl.apps.report.write_report import write_report

__all__ = [
    "draw_diagnosis",
    "write_model_card",
    "write_report",
]
