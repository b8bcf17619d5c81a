"""Real containers on a real node; a package, so that what its tests share ends with them."""
