"""The portal: a page of resources for members, each link a sign-on that starts at home."""
