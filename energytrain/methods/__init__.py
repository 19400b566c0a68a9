"""Methods: recipes of training, one a file, each a list of phases that reads like the algorithm in its paper."""
