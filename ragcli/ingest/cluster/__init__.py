"""Load, chunk and embed on a Ray cluster; ``reading`` is the door, and ``ray_job`` alone imports ray."""
