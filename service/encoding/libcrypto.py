"""The system's OpenSSL through ctypes: how libcrypto is found, and the functions that a raw RSA decryption needs."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import sys
from collections.abc import Iterator

from .errors import BackendError

RSA = 6  # EVP_PKEY_RSA
CTRL_RSA_PADDING = 0x1001  # EVP_PKEY_CTRL_RSA_PADDING
NO_PADDING = 3  # RSA_NO_PADDING

_pointer, _int, _size = ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_size_t)
_FUNCTIONS = {
    "d2i_PrivateKey": (_pointer, [_int, _pointer, ctypes.POINTER(_pointer), ctypes.c_long]),
    "EVP_PKEY_free": (None, [_pointer]),
    "EVP_PKEY_CTX_new": (_pointer, [_pointer, _pointer]),
    "EVP_PKEY_CTX_free": (None, [_pointer]),
    "EVP_PKEY_decrypt_init": (_int, [_pointer]),
    "EVP_PKEY_CTX_ctrl": (_int, [_pointer, _int, _int, _int, _int, _pointer]),
    "EVP_PKEY_decrypt": (_int, [_pointer, _pointer, _size, ctypes.c_char_p, ctypes.c_size_t]),
    "OPENSSL_cleanse": (None, [_pointer, ctypes.c_size_t]),
    "ERR_get_error": (ctypes.c_ulong, []),
    "ERR_clear_error": (None, []),
    "ERR_error_string_n": (None, [ctypes.c_ulong, ctypes.c_char_p, ctypes.c_size_t]),
}


def _candidates() -> Iterator[str]:
    """Yield names to try, best first: the linker's answer, versioned names, then what Python's hashing is linked to."""
    if sys.platform == "darwin":  # the unversioned system library aborts the process that loads it
        yield from ("/opt/homebrew/lib/libcrypto.3.dylib", "/usr/local/lib/libcrypto.3.dylib")
    else:
        found = ctypes.util.find_library("crypto")
        if found:
            yield found
        yield from ("libcrypto.so.3", "libcrypto.so.1.1")
    try:
        import _hashlib
    except ImportError:
        return
    if getattr(_hashlib, "__file__", None):
        yield _hashlib.__file__


@functools.cache
def load() -> ctypes.CDLL:
    """Return the library with its functions declared. Raises BackendError, saying what was tried."""
    tried = []
    for name in _candidates():
        try:
            library = ctypes.CDLL(name)
            for function, (result, arguments) in _FUNCTIONS.items():
                entry = getattr(library, function)
                entry.restype, entry.argtypes = result, arguments
        except (OSError, AttributeError) as error:
            tried.append(f"{name}: {error}")
        else:
            return library
    raise BackendError(f"no usable libcrypto was found ({'; '.join(tried) or 'none is installed'})")


def last_error(library: ctypes.CDLL) -> str:
    """Return OpenSSL's reason for the latest failure, and empty its queue of errors."""
    code = library.ERR_get_error()
    text = ctypes.create_string_buffer(256)
    library.ERR_error_string_n(code, text, len(text))
    library.ERR_clear_error()
    return text.value.decode("ascii", "replace") if code else "no reason was given"
