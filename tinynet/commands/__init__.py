"""What the command line is put together from: shared arguments, and commands with commands of their own."""
