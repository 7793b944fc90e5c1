"""Sessions that can be ended: every signed-in device is a row, every credential is bound to one."""

__version__ = "0.1.0"
