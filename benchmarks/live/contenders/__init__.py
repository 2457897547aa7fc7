"""The servers that ours is measured against, and ours with a port that has changes made."""
