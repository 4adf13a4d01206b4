"""What a program says to the person who asked for it, in one line."""


class ConfigError(ValueError):
    """A run that cannot be. Its message is one line for the person who asked for it."""


class PluginError(ConfigError):
    """A mistake of what is from outside. Its message begins with file and line."""


class RunError(RuntimeError):
    """A failure outside our code and the command line. Its message is one line, and enough."""


class HostLost(RuntimeError):
    """Another process of one program ended or is stuck: what was saved is there, and no more."""
