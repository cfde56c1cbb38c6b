"""The version, alone, so that the build and the command line read it without importing the package's weight."""

__version__ = "0.1.0"
