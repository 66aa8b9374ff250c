"""What another package adds to gigatile: one file each."""
