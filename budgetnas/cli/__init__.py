"""The command line: a function a command, which parses, calls one library function, and prints."""
