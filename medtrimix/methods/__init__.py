"""Pretraining methods: TriMix and its rivals, one file each."""
