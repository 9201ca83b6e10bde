"""Where are you from: finds a person's home organisation among thousands, and remembers it if she likes. Logs nobody in."""
