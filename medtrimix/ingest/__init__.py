"""Reading raw exports: every file becomes a sample or one verdict."""
