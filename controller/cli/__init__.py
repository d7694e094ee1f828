"""The command line. Owns arguments and their words; all work is done by other rooms."""
