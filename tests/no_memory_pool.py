"""A plugin for pytest, ``-p no_memory_pool``: every CuPy array is allocated by itself.

CuPy's pool hands out parts of larger allocations, within which compute-sanitizer sees no mistake.
"""

import cupy

cupy.cuda.set_allocator(None)
cupy.cuda.set_pinned_memory_allocator(None)
