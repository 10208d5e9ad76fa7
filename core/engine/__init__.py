"""Submit a job, stream its events, cancel it. The only door to everything that computes."""
