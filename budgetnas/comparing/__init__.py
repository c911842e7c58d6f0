"""Comparing networks that a study has found: longer, with several seeds, against others.

Each comparison is a grid of its own in a folder of the study, trained by the same loop, so that it
is interrupted and continued, spread over workers and reported as every study is.
"""
