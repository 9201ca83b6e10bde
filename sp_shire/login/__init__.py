"""From a page that needs a login to an accepted answer of the home organisation."""
