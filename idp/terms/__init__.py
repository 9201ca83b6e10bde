"""Terms of use: asked for once per version, before anything else about a sign-on is answered."""
