"""Answers with citations: quotes from the passages, or text written by a language model and checked against them."""
