"""A tool's format a module: how it is told, read and written, named in its FORMAT."""
