"""What goes wrong outside. No text of a message is ever part of it."""

from __future__ import annotations


class AnalyzerFailed(Exception):
    """The analyzer gave no usable answer in time."""
