"""Names for C from names of files."""

import re

# Words that C++ keeps for itself.
_KEYWORDS = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char
    char8_t char16_t char32_t class compl concept const const_cast consteval
    constexpr constinit continue co_await co_return co_yield decltype default
    delete do double dynamic_cast else enum explicit export extern false float
    for friend goto if inline int long main mutable namespace new noexcept not
    not_eq nullptr operator or or_eq private protected public register
    reinterpret_cast requires return short signed sizeof static static_assert
    static_cast struct switch template this thread_local throw true try typedef
    typeid typename union unsigned using virtual void volatile wchar_t while
    xor xor_eq
    """.split()
)


def c_identifier(name):
    """Returns a lower-case C identifier made of `name`.

    >>> c_identifier("My model-int8 (2)")
    'my_model_int8_2'
    """
    words = re.sub(r"[^0-9a-zA-Z]+", "_", name).strip("_").lower()
    taken = not words or words[0].isdigit() or words in _KEYWORDS
    return f"model_{words}" if taken else words
