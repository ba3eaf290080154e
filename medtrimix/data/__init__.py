"""The array store, splits, label subsets and the leakage audit."""
