"""`python -m cairn`."""

from cairn.cli.main import app

if __name__ == "__main__":
    app(prog_name="cairn")
