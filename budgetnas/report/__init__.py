"""What was found: tables first, then sentences and figures made of them, and a page of both."""
