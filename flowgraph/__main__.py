"""``python -m flowgraph``: the command line."""

from flowgraph.cli import main

if __name__ == "__main__":
    main(prog_name="python -m flowgraph")
