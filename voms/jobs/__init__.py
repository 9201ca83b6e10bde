"""What time brings about by itself: memberships that end, policies that have to be signed, the letters about that, and sweeping up."""
