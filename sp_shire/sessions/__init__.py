"""Who is here: sessions in their stores, and how a request leads to one."""
