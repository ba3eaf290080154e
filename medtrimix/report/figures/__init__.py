"""Drawings: each takes a finished study, and gives a figure or none."""
