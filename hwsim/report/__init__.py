"""The report: what a run lost, measured against float, as text, page, table and file."""

from hwsim.report.comparison import ReportDiff, compare_reports
from hwsim.report.figures import FlipFigures, LayerFigures, OutputFigures, PointFigures, TensorFigures
from hwsim.report.gates import Checked, Failure, check
from hwsim.report.report import Report

__all__ = [
    "Checked",
    "Failure",
    "FlipFigures",
    "LayerFigures",
    "OutputFigures",
    "PointFigures",
    "Report",
    "ReportDiff",
    "TensorFigures",
    "check",
    "compare_reports",
]
