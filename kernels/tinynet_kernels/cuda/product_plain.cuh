// Products of tiles in the ordinary way: every thread multiplies and adds numbers in its registers.
//
// A thread computes THREAD_ROWS × THREAD_COLUMNS elements of the tile. For each k it reads so many elements
// of A and so many of B from shared memory, and multiplies each with each: the larger its share, the fewer
// reads for a multiplication.

#include "product.cuh"

// So many places of the sum are multiplied at a time, and so many neighbours on different lines read
// together.
constexpr int DEEP = 2, RUN = 16 / sizeof(Accumulator);

// Which lines of a piece belong to a thread. Neighbours in memory can be read together. If the neighbours are
// those along the sum, the threads take turns with the lines, so that they read from different banks.
template <class Piece, int COUNT>
struct Share {
    static constexpr int TOGETHER = Piece::ALONG_SUM ? 1 : RUN;
    static constexpr int THREADS = Piece::LINES / COUNT;  // that share the lines
    static_assert(COUNT % RUN == 0 && Piece::LINES % COUNT == 0, "lines don't fit the threads");

    static __device__ int line(int thread, int i) {
        return (i / TOGETHER * THREADS + thread) * TOGETHER + i % TOGETHER;
    }

    // The elements at DEEP places of the sum, from place k on.
    static __device__ void read(
        const Piece& piece, int thread, int k, Accumulator (&elements)[DEEP][COUNT]
    ) {
        if constexpr (Piece::ALONG_SUM) {
#pragma unroll
            for (int i = 0; i < COUNT; ++i) {
                const auto run = *aligned_cast<const Run<DEEP>>(&piece.rows[line(thread, i)][k]);
#pragma unroll
                for (int j = 0; j < DEEP; ++j) elements[j][i] = run.values[j];
            }
        } else {
#pragma unroll
            for (int i = 0; i < DEEP * COUNT; i += RUN) {
                const int j = i / COUNT, first = i % COUNT;
                const auto run = *aligned_cast<const Run<RUN>>(&piece.rows[k + j][line(thread, first)]);
#pragma unroll
                for (int n = 0; n < RUN; ++n) elements[j][first + n] = run.values[n];
            }
        }
    }
};

// The engine, see `multiply_tile`. The lanes of a warp form a rectangle, so that they need few different
// elements.
template <int ROWS_, int COLUMNS_, int THREAD_ROWS, int THREAD_COLUMNS>
struct Plain {
    static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_;
    static constexpr int ACROSS = COLUMNS / THREAD_COLUMNS;  // threads
    static constexpr int THREADS = ROWS / THREAD_ROWS * ACROSS;
    // So many blocks fit on a multiprocessor, with 128 registers per thread, or 255 of float64.
    static constexpr int BLOCKS = (sizeof(Accumulator) == 8 ? 256 : 512) / THREADS;
    static constexpr int WARP_ACROSS = ACROSS < 8 ? ACROSS : 8, WARP_DOWN = 32 / WARP_ACROSS;
    static constexpr int WARPS_ACROSS = ACROSS / WARP_ACROSS;
    static_assert(ACROSS % WARP_ACROSS == 0 && THREADS % 32 == 0, "threads don't form warps");

    Accumulator sums[THREAD_ROWS][THREAD_COLUMNS] = {};

    // The thread's place among those that share the rows, and the columns.
    static __device__ int down() {
        return threadIdx.x / 32 / WARPS_ACROSS * WARP_DOWN + threadIdx.x % 32 / WARP_ACROSS;
    }
    static __device__ int across() {
        return threadIdx.x / 32 % WARPS_ACROSS * WARP_ACROSS + threadIdx.x % WARP_ACROSS;
    }

    template <class PieceOfA, class PieceOfB>
    __device__ void multiply(const PieceOfA& a, const PieceOfB& b) {
#pragma unroll 2
        for (int k = 0; k < PieceOfA::DEPTH; k += DEEP) {
            Accumulator of_a[DEEP][THREAD_ROWS], of_b[DEEP][THREAD_COLUMNS];
            Share<PieceOfA, THREAD_ROWS>::read(a, down(), k, of_a);
            Share<PieceOfB, THREAD_COLUMNS>::read(b, across(), k, of_b);
#pragma unroll
            for (int j = 0; j < DEEP; ++j) {
#pragma unroll
                for (int row = 0; row < THREAD_ROWS; ++row) {
#pragma unroll
                    for (int column = 0; column < THREAD_COLUMNS; ++column) {
                        sums[row][column] += of_a[j][row] * of_b[j][column];
                    }
                }
            }
        }
    }

    template <class PieceOfA, class PieceOfB, class Finish>
    __device__ void finish(Index first_row, Index first_column, const Finish& finish) const {
        using Rows = Share<PieceOfA, THREAD_ROWS>;
        using Columns = Share<PieceOfB, THREAD_COLUMNS>;
#pragma unroll
        for (int i = 0; i < THREAD_ROWS; ++i) {
            const Index row = first_row + Rows::line(down(), i);
#pragma unroll
            for (int j = 0; j < THREAD_COLUMNS; j += Columns::TOGETHER) {
                Accumulator some[Columns::TOGETHER];
#pragma unroll
                for (int n = 0; n < Columns::TOGETHER; ++n) some[n] = sums[i][j + n];
                finish(row, first_column + Columns::line(across(), j), some);
            }
        }
    }
};
