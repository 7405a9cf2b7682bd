"""What each platform pushes, for the contract suite: one module a platform."""
