"""This very machine as a node: what was there before, what is the lab's, and how it goes again."""
