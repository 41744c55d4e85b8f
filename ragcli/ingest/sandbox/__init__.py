"""Parser processes, with limits of time, memory and output, and without sockets."""
