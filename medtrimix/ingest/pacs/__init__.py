"""Instances from a PACS over DICOMweb."""
