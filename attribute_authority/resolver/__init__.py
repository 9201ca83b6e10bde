"""What is known about a person: connectors are asked, definitions make attributes of what they found."""
