"""The ground floor: the binding of the C core, errors, units, settings and the log. Imports nothing of ours."""

__version__ = "0.1.0"
