"""Makes a world hold what a picture of one says: for checkpoints, and for putting one node back."""
