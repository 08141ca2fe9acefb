"""Signs of life that other programs send by themselves: a nightly backup, a job that has to run."""
