"""Networks: encoders from MONAI, projectors, and their weights on disk."""
