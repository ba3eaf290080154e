"""MLflow: one parent run per study, one child per pretraining and per cell."""
