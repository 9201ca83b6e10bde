"""Members of a VO as a table that people edit: what is in a CSV file goes into the VO, first as a dry run, and comes out again."""
