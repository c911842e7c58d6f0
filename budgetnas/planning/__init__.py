"""What a search would be, before anything is trained: what fits, and how long it takes."""
