"""Synthetic thoraces written as real DICOM."""
