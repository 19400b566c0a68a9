"""The command line: one file a command that reads arguments, calls, and shows. No logic lives here."""
