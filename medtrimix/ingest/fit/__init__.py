"""Decoded images to the one size, orientation and grey scale of the store."""
