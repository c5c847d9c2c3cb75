"""Vector code that the CPU takes share: the microkernel of all products, and packing.

The *register tile* is the idea behind every fast matrix product. A processor multiplies and adds many
numbers per instruction (16 float32 with AVX-512), twice per cycle, but it can load only about as many
from the first-level cache. A product that loads two operands per multiply-add therefore runs at a
fraction of the speed. So a small block of the output stays in the registers while the sum over k runs,
and everything that is loaded is used several times::

                          b[k, :]   2 vectors, loaded once per k
                        ┌────────┬────────┐
                        └────────┴────────┘
      a[0, k]  ┌─┐      ┌────────┬────────┐
      a[1, k]  │ │      │ c[0,:] │        │
        ⋮      │ │      ├────────┼────────┤      rows × 2 vectors, all in registers:
               │ │      │   ⋮    │   ⋮    │      c[r, :] += a[r, k] * b[k, :]
      a[11,k]  └─┘      └────────┴────────┘
             one number
             per row, copied to all lanes

With 12 rows and 2 vectors, 14 loads feed 24 multiply-adds. Why not more? AVX-512 has 32 registers: 24
hold the sums, 2 hold b, and the rest hold copies of a. Why not fewer? A multiply-add takes 4 cycles and
two start per cycle, so at least 8 independent sums must be under way. Processors with 16 registers use
6 × 2. The shapes of BLIS (Van Zee & van de Geijn, BLIS: A Framework for Rapidly Instantiating BLAS
Functionality, 2015) follow from the same reasoning.

* `vectors`: how long the vectors of this processor are, and the tile that follows from it;
* `tile`: emits a register tile as LLVM vector instructions;
* `rows`: a band of any number of rows and columns, made of such tiles;
* `packing`: copies a block of b into the order in which a tile reads it;
* `memory`: copies and clears runs of elements at an address; `parts`: slices of arrays that cost nothing;
* `subroutine`: functions whose instructions are spelled out, since that takes no time to compile;
* `transforms`: the products with small constant matrices of Winograd's convolution;
* `emitter`: writes instructions on vectors, for all that is not left to Numba's loops;
* `window`, `run`, `sweep`: windows of pixels held in registers, for pooling and depthwise convolution;
* `polynomial`, `exponential`, `ordering`: polynomials, exp, and the maximum, of a vector;
* `streaming`: writes large results past the caches.

Importing this package imports nothing; its modules import Numba.
"""
