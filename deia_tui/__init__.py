"""A terminal console that supervises a hive of AI bots."""

__version__ = "0.1.0"
