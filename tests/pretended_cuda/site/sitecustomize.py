"""Imported by Python itself at its start, where this folder is in PYTHONPATH."""

from tests.pretended_cuda.install import install

install()
