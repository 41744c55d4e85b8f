"""Formats in OLE compound files: old Office (doc, xls, ppt) and Outlook messages (msg)."""
