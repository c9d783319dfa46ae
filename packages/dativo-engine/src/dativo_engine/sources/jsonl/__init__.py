"""JSON Lines, and JSON documents that hold a list of objects."""
