"""The names under which actions have always imported what they need."""
