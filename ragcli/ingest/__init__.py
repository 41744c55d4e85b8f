"""The index line: discover files, load them in a sandbox, cut them into chunks, match the index to the disk."""
