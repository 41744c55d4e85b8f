"""Text as every step reads it: terms for the two searches, and sentences."""
