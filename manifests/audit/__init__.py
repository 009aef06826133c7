"""Audit of a dataset folder: completeness, agreement with its tables, leakage, reproducibility."""
