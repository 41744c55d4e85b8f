"""Answers with citations: quotes chosen from the passages, or written by a language model and checked against them."""
