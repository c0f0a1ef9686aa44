"""The base class of every error that a user of Cutlayer can correct."""


class UserError(ValueError):
    """Bad input, or something missing on this machine; the message says what to change.

    The command line prints the message and ends with exit code 2. Any other exception is a defect of
    Cutlayer, except what a user's own code raises. docs/reference/errors.md lists all subclasses.
    """
