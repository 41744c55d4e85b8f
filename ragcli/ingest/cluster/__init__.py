"""Load, chunk and embed on a Ray cluster. ``reading`` is the entry; only ``ray_job`` imports ray."""
