"""Markdown: headings, lists, tables and code as blocks of the file's own text."""
