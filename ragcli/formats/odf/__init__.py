"""OpenDocument: texts, sheets and slides, in a zip or as one flat XML file."""
