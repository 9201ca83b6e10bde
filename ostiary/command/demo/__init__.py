"""A whole federation on loopback: two home organisations, a WAYF and two resources, each a service of its own."""
