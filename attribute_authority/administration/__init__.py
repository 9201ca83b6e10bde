"""For those who decide what leaves: what the policies say and would say, what is wrong with them, who changed what and when."""
