"""The VO service: members, groups, roles and attributes of a collaboration, issued as signed attribute certificates."""
