"""What the step `pretrain` is made of: its batches, its monitor, and what people get to see of it."""
