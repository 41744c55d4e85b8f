"""Plain text with light markup: Markdown, reStructuredText and AsciiDoc."""
