"""The version, single-sourced here and read by the packaging."""

__version__ = "0.1.0"
