"""An index as one file: to keep, to send, and to take in from others."""
