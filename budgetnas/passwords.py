"""Which parts of a storage's URL are nobody's to see, and hiding them in any text."""

import re

HIDDEN = "***"
"""What stands for a password that is not shown."""

_NAMES = "pass|pwd|secret|token|key|credential|odbc_connect"


def is_secret(name: str) -> bool:
    """Return whether an option in a URL's query holds a password, by its name."""
    return re.search(_NAMES, name, re.IGNORECASE) is not None


def without_passwords(text: str) -> str:
    """Hide the passwords of all URLs in a text, whether they are valid or not."""
    text = re.sub(r"(://[^/:@\s]*):\S*@", rf"\1:{HIDDEN}@", text)
    option = rf"([?&][^=&\s]*(?:{_NAMES})[^=&\s]*)=[^&\s]*"
    return re.sub(option, rf"\1={HIDDEN}", text, flags=re.IGNORECASE)
