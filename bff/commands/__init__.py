"""The commands of ``bff``, one file each."""
