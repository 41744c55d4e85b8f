"""One loader a format: from the bytes of a file to a Document. ``registry`` says which one reads a file."""
