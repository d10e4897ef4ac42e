"""``python -m goflow_py``: the command line, wherever it is installed."""

from goflow_py.cli import main

if __name__ == "__main__":
    main()
