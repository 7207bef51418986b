"""The hive-wide logs, a file for each: which lines an event adds to it, and what must be remembered from one event to
the next to write them. Chronicle puts them together."""
