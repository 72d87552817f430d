"""The commands of `scnn`, each a function of its arguments; they parse before they import much."""
