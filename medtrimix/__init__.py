"""medtrimix: raw hospital images in, label-efficient classifiers with honest intervals out.

Importing the package is cheap on purpose: torch, monai and mlflow are imported by the steps that need them.
"""

__version__ = "0.1.0"
