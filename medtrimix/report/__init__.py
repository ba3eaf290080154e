"""Figures, tables and the page that a clinician reads."""
