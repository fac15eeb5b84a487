"""Commands of ``concord`` as messages show them."""

import shlex


def concord(*words: object, **options: object) -> str:
    """A command line, quoted for a shell.

    A test parses every command of the sources, docs and README with the command line's own parser.

    Args:
        words: subcommands and arguments.
        options: long options by name; ``None`` leaves one out.

    >>> concord("promote", 3, model="my things", reason=None)
    "concord promote 3 --model 'my things'"
    """
    given = ((name, value) for name, value in options.items() if value is not None)
    flags = (part for name, value in given for part in (f"--{name.replace('_', '-')}", value))
    return shlex.join(["concord", *map(str, words), *map(str, flags)])
