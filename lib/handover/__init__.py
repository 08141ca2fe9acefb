"""What the next shift has to know: what changed, what was done, and what people wrote down."""
