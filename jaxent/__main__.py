"""`python -m jaxent`: the command line."""

from jaxent.cli import main

main()
