"""An index as one file: to keep, to send, and to import from others."""
