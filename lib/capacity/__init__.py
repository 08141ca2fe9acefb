"""What is kept, how long and how large, against what the settings declare."""
