"""Measurements, each a command: `python -m bench.NAME [--quick]`; peers run beside in the same run."""
