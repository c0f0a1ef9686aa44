"""A report on runs and studies: one self-contained page, and its figures for a paper."""
