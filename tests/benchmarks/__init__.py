"""Speed, printed as ratios against the peer measured in the same run. Not timed tests."""
