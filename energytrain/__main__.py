"""`python -m energytrain`: the command line without its console script, as workers and ssh sessions start it."""

from energytrain.cli.main import main

if __name__ == "__main__":
    main()
