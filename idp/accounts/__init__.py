"""The embedded directory: people of this organisation that no other directory knows, their passwords, and how they are looked after."""
