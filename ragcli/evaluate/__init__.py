"""Measuring the ranking: collections with judgements, the stages of search side by side, and what is due to chance."""
