"""Losses as pure functions: embeddings in, one number out, always computed in float32 or better."""
