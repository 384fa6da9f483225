"""A command in one text -> its words, with the quotes and escapes of a shell and nothing else of one."""


def words_of(text: str) -> list[str]:
    """The words. Raises ValueError for what only a shell could do."""
    words: list[str] = []
    word: str | None = None
    quote = ""
    at = 0
    while at < len(text):
        sign = text[at]
        at += 1
        if sign == "\\" and quote != "'":
            if at == len(text):
                raise ValueError("it ends with a backslash")
            word, at = (word or "") + text[at], at + 1
        elif quote:
            quote = "" if sign == quote else quote
            word = (word or "") + ("" if not quote else sign)
        elif sign in "'\"":
            quote, word = sign, word or ""
        elif sign.isspace():
            words, word = ([*words, word], None) if word is not None else (words, None)
        elif sign in ";&|<>()`":
            raise ValueError(f"`{sign}` is for a shell")
        else:
            word = (word or "") + sign
    if quote:
        raise ValueError("a quote is not closed")
    return words if word is None else [*words, word]
