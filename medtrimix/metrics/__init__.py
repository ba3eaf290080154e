"""Metrics with patient-clustered intervals."""
