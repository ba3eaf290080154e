"""From a YAML file to a plan of content-addressed tasks, and their execution."""
