"""`script/demo`: the whole system at work, told in plain words, through its real programs only."""
