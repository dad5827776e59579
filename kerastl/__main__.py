"""`python -m kerastl`: the command line where its script is not on the path."""

from kerastl_command_line.app import main

if __name__ == "__main__":
    main()
