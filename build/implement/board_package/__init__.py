"""What `bitfold deploy` puts into every package as it is: it runs on the board, without build/."""
