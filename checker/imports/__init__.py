"""Other products' configurations read as blocks of ours; what has no equivalent is told in a comment."""
