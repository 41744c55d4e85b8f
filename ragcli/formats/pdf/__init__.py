"""PDF: pdfium reads it, pypdf where pdfium cannot."""
