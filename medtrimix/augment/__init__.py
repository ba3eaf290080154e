"""Augmentation of whole batches on the training device, decided by counters so that any view can be made again."""
