"""Who is trusted: entities and their roles, the keys they speak with, and until when. Knows nothing of people."""
