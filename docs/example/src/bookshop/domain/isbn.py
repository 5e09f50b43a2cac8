"""ISBNs: every book is known by its 13 digits (ISO 2108)."""

from bookshop.domain.problems import InvalidValue


def normalise_isbn(text: str) -> str:
    """Return the 13 digits of an ISBN-13 or ISBN-10, with or without hyphens.

    >>> normalise_isbn("978-0-306-40615-7")
    '9780306406157'
    >>> normalise_isbn("0-8044-2957-X")
    '9780804429573'

    Raises:
        InvalidValue: wrong length, wrong characters or wrong check digit.
    """
    digits = text.replace("-", "").replace(" ", "").upper()
    if len(digits) == 13 and _digits_only(digits) and check_digit_13(digits[:12]) == digits[12]:
        return digits
    if len(digits) == 10 and _digits_only(digits[:9]) and check_digit_10(digits[:9]) == digits[9]:
        return f"978{digits[:9]}{check_digit_13(f'978{digits[:9]}')}"
    raise InvalidValue(f"{text!r} is not an ISBN")


def check_digit_13(first: str) -> str:
    """Compute the last digit of an ISBN-13 from its first twelve: weights 1 and 3, modulo 10."""
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(first))
    return str(-total % 10)


def check_digit_10(first: str) -> str:
    """Compute the last character of an ISBN-10 from its first nine: weights 10 to 2, modulo 11, X for 10."""
    total = sum(int(digit) * (10 - place) for place, digit in enumerate(first))
    return "0123456789X"[-total % 11]


def _digits_only(text: str) -> bool:
    return text.isascii() and text.isdecimal()
