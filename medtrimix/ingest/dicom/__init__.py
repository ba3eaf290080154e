"""DICOM: from bytes to pictures and volumes."""
