"""`python -m jaxent`, and the command `jaxent`: Ctrl-C has its answer before anything is imported."""

from jaxent.runtime import code_generation, interrupts

__all__ = ["main"]


def main() -> None:
    """Run the command line on the words of this process."""
    with interrupts.watched():
        code_generation.prefer_quick_compilation()
        from jaxent.cli.main import main as run

        run()


if __name__ == "__main__":
    main()
