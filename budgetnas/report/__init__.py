"""A study's answer: sentences and figures made of its tables, on a page that needs no network."""

from budgetnas.report._counted import find_counted, plot_fits
from budgetnas.report._figures import report_figures
from budgetnas.report._page import (
    find_report,
    hundredths,
    percent,
    render,
    whole,
    write_page,
    write_report,
)
from budgetnas.report._plots import plot_costs, plot_curves, plot_grid, plot_stages
from budgetnas.report._read import Report, read_report
from budgetnas.report._style import PALETTE, styled
from budgetnas.report._words import answer_lines
