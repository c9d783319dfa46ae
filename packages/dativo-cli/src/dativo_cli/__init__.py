"""The dativo command: click commands that parse, call one function, and render its answer."""
