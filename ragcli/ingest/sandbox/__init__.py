"""Parsers in processes of their own, with limits of time, memory and output, and without sockets."""
