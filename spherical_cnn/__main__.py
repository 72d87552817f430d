"""`python -m spherical_cnn COMMAND`, the same as `scnn COMMAND`."""

from spherical_cnn.cli import main

if __name__ == "__main__":
    main()
