"""The command line: a file per command. Each parses, calls one library function, and prints."""
